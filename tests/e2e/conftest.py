"""The tiny loop, in a folder of its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.dev_process import DevProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Copy the loop with one input topic, one agent, one policy and one command topic."""
    return Path(shutil.copytree(FIXTURES / "tiny", tmp_path / "tiny"))


@pytest.fixture
def start_dev() -> Iterator[Callable[..., DevProcess]]:
    """Start ``streamwarden dev``; whatever still runs at the end is ended."""
    started: list[DevProcess] = []

    def start(folder: Path, *options: str, **how: Any) -> DevProcess:
        started.append(DevProcess(folder, *options, **how))
        return started[-1]

    yield start
    for process in started:
        process.close()
