"""X49: what is accepted and hardly meant is said at the start of ``dev``, and after an edit only where it is new."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from streamwarden_cli.dev.loop import Loop
from streamwarden_cli.dev.options import DevOptions
from streamwarden_cli.local.manifests import Problem
from streamwarden_cli.local.state import StateFolder
from streamwarden_devstack.stack import QuietReporter

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Lines:
    """Implements ``Screen`` as far as it is needed."""

    said: list[tuple[str, bool]] = field(default_factory=list)

    def say(self, text: str, *, problem: bool = False) -> None:
        self.said.append((text, problem))


def remark(message: str) -> Problem:
    return Problem("policy.yaml", 5, "spec.match", message)


def test_x49_a_warning_is_said_once_and_again_when_it_comes_back(tmp_path: Path) -> None:
    screen = Lines()
    loop = Loop(DevOptions(folder=tmp_path), StateFolder(tmp_path), cast("Any", screen), QuietReporter())
    loop.warn([remark("covers no decision")])
    loop.warn([remark("covers no decision"), remark("allows all")])
    loop.warn([])
    loop.warn([remark("covers no decision")])
    none, all_ = (
        "warning: policy.yaml:5: spec.match: covers no decision",
        "warning: policy.yaml:5: spec.match: allows all",
    )
    assert screen.said == [(none, True), (all_, True), (none, True)]
