"""X49: what is accepted and hardly meant is said at the start of ``dev``, and after an edit only where it is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_cli.dev.loop import Loop
from streamwarden_cli.dev.options import DevOptions
from streamwarden_cli.local.manifests import Problem
from streamwarden_cli.local.state import StateFolder
from streamwarden_devstack.stack import QuietReporter
from support.shown import Shown

if TYPE_CHECKING:
    from pathlib import Path


def remark(message: str) -> Problem:
    return Problem("policy.yaml", 5, "spec.match", message)


def test_x49_a_warning_is_said_once_and_again_when_it_comes_back(tmp_path: Path) -> None:
    screen = Shown()
    loop = Loop(DevOptions(folder=tmp_path), StateFolder(tmp_path), screen, QuietReporter())
    loop.warn([remark("covers no decision")])
    loop.warn([remark("covers no decision"), remark("allows all")])
    loop.warn([])
    loop.warn([remark("covers no decision")])
    none, all_ = (
        "warning: policy.yaml:5: spec.match: covers no decision",
        "warning: policy.yaml:5: spec.match: allows all",
    )
    assert screen.said == screen.problems == [none, all_, none]
