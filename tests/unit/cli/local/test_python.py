"""``--python``: the interpreter of agents."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.local.python import PythonError, check_python

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_x29_an_interpreter_with_the_sdk_is_taken() -> None:
    assert check_python(sys.executable) == sys.executable


def test_x29_an_interpreter_that_is_not_there_is_told() -> None:
    with pytest.raises(PythonError, match="--python nowhere: no such program"):
        check_python("nowhere")


def test_x29_an_interpreter_without_the_sdk_is_told_what_it_lacks(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)

    with pytest.raises(
        PythonError, match=r"cannot import streamwarden.runtime \(ModuleNotFoundError.*install streamwarden"
    ):
        check_python(str(bare))
