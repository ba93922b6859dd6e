"""What a session leaves behind at its end, whether it came to rest or failed."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
from streamwarden_cli.local.state import StateFolder
from streamwarden_cli.session.options import SessionError, SessionOptions
from streamwarden_cli.session.roles import TopicRoles
from streamwarden_cli.session.session import Session, Timing
from streamwarden_cli.session.tally import Tally
from support.cli_figures import COMMANDS, audited
from support.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class FailingLoop:
    """A loop without agents, which has figures and never becomes ready."""

    roles = TopicRoles()
    offsets = None

    def __init__(self, tally: Tally, failed: str = "") -> None:
        self._tally = tally
        self.failed = failed

    @property
    def recorder(self) -> FailingLoop:
        return self

    def look(self, at: Callable[[Tally], Any]) -> Any:
        return at(self._tally)

    async def agents_ready(self) -> None:
        raise SessionError("it never is")

    def agents(self) -> Sequence[Any]:
        return ()

    contracts = agents

    def policy_revisions(self) -> dict[str, int]:
        return {}


def counted() -> Tally:
    tally = Tally()
    tally.audit(audited("DeadLetter", dead_letter="SchemaMismatch", message="$.a: minimum: 1"), commands=COMMANDS)
    return tally


async def ended(tally: Tally, folder: Path, report: Path | None = None, recorder_failed: str = "") -> Shown:
    screen, loop = Shown(), FailingLoop(tally, recorder_failed)
    session = Session(
        SessionOptions(report=report), StateFolder(folder), screen, cast("Any", loop), Timing(time.monotonic())
    )
    with pytest.raises(SessionError, match="it never is"):
        await session.run()
    return screen


async def test_a_run_ends_with_its_closing_report_on_the_screen(tmp_path: Path) -> None:
    screen = await ended(counted(), tmp_path)
    assert len(screen.ended_with) == 1
    about = "risk/guard: a decision about e1 is a dead letter, the first with SchemaMismatch"
    assert screen.said == [f"{about}: $.a: minimum: 1"]


async def test_where_a_report_is_asked_for_the_figures_are_in_the_file_instead(tmp_path: Path) -> None:
    file = tmp_path / "build" / "report.json"
    screen = await ended(counted(), tmp_path, file)
    assert (screen.ended_with, screen.said[-1]) == ([], f"report: {file}")
    assert json.loads(file.read_text())["dead_letter_reasons"][0]["reason"] == "SchemaMismatch"


async def test_a_run_in_which_nothing_happened_ends_without_one(tmp_path: Path) -> None:
    assert (await ended(Tally(), tmp_path)).ended_with == []


async def test_a_recorder_that_has_failed_is_said_on_the_screen(tmp_path: Path) -> None:
    screen = await ended(Tally(), tmp_path, recorder_failed="OSError: no space left")
    assert screen.said == ["the recorder has failed, and nothing is counted any more: OSError: no space left"]


async def test_a_report_that_cannot_be_written_is_shown_with_why(tmp_path: Path) -> None:
    (tmp_path / "full").write_text("no folder")
    screen = await ended(counted(), tmp_path, tmp_path / "full" / "figures.json")
    assert screen.said[-1].startswith(f"the report cannot be written: {tmp_path}/full/figures.json: ")
    assert len(screen.ended_with) == 1


async def test_a_run_that_ends_well_without_its_report_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(*_of: object) -> None: ...

    monkeypatch.setattr(FailingLoop, "agents_ready", at_once)
    monkeypatch.setattr(Session, "_rest", at_once)
    options, loop = SessionOptions(report=tmp_path, until_idle=True), cast("Any", FailingLoop(counted()))
    with pytest.raises(SessionError, match="ended well, but for its report"):
        await Session(options, StateFolder(tmp_path), Shown(), loop, Timing(time.monotonic())).run()
