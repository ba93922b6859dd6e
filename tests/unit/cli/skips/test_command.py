"""``streamwarden gate skip``: asked first, then written; what it writes is what was shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_cli.commands import gate
from streamwarden_cli.exit_codes import ExitCode
from streamwarden_cli.main import app
from streamwarden_cli.skips import places, standing
from streamwarden_cli.skips.asking import Known, Stand
from streamwarden_cli.skips.owners import key_of
from streamwarden_contract.models.skip import SkipRequest
from support.commands import CliRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ASKED = SkipRequest(
    topic_id="an-id",
    partition=0,
    from_offset=7,
    to_offset=9,
    seen_end_offset=12,
    reason="a broken library",
    requested_by="ada",
)
WORDS = ["--partition", "0", "--to", "9", "--reason", "a broken library", "--requested-by", "ada"]


@dataclass
class MemoryPlace:
    """Implements ``Place``."""

    kept: tuple[SkipRequest, ...] = ()
    others: tuple[SkipRequest, ...] = ()
    meanwhile: tuple[SkipRequest, ...] = ()
    """Asked for by somebody else between reading and writing."""
    writes: list[tuple[SkipRequest, ...]] = field(default_factory=list)

    def read(self) -> Known:
        return Known(self.kept, {key_of(each): "written by kustomize" for each in self.others})

    def change(self, change: Callable[[Known], Sequence[SkipRequest]]) -> None:
        self.kept += self.meanwhile
        self.writes.append(tuple(change(self.read())))


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> MemoryPlace:
    made = MemoryPlace()
    stand = Stand("risk.guard.decisions", "an-id", {0: 12}, {0: 7})
    monkeypatch.setattr(places, "ClusterPlace", lambda *_: made)
    monkeypatch.setattr(standing, "find_stand", lambda *_: stand)
    monkeypatch.setattr(standing, "show_batches", lambda *_: ["  offsets 7 to 9: 3 records"])
    return made


@pytest.fixture
def settings(tmp_path: Path) -> str:
    file = tmp_path / "kafka.properties"
    file.write_text("bootstrap.servers=127.0.0.1:1\n")
    return str(file)


def invoke(*words: str, **how: Any) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["gate", "skip", *words], env={"COLUMNS": "300"}, **how)
    return answer.exit_code, answer.output


def test_a_dry_run_shows_and_writes_nothing(place: MemoryPlace, settings: str) -> None:
    code, said = invoke("risk/guard", *WORDS, "--kafka", settings, "--dry-run")
    assert (code, place.writes) == (ExitCode.DONE, [])
    assert said.splitlines() == [
        "risk.guard.decisions, partition 0: the gate stands at offset 7, the end is 12",
        "offsets 7 to 9 are passed over, unjudged: they become no command",
        "  offsets 7 to 9: 3 records",
    ]


def test_without_a_terminal_it_wants_to_be_told(place: MemoryPlace, settings: str) -> None:
    code, said = invoke("risk/guard", *WORDS, "--kafka", settings)
    assert (code, place.writes) == (ExitCode.USAGE, [])
    assert "there is no terminal to ask on: say --yes" in said
    assert invoke("risk/guard", *WORDS, "--kafka", settings, "--yes")[0] == ExitCode.DONE
    assert place.writes == [(ASKED,)]


@pytest.mark.parametrize(
    ("answer", "code", "writes"), [("y\n", ExitCode.DONE, [(ASKED,)]), ("n\n", ExitCode.FAILED, [])], ids=["yes", "no"]
)
def test_on_a_terminal_it_asks(
    answer: str,
    code: ExitCode,
    writes: list[tuple[SkipRequest, ...]],
    place: MemoryPlace,
    settings: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "is_terminal", lambda: True)
    assert invoke("risk/guard", *WORDS, "--kafka", settings, input=answer)[0] == code
    assert place.writes == writes


def test_what_waits_already_stays(place: MemoryPlace, settings: str) -> None:
    waiting = ASKED.model_copy(update={"from_offset": 11, "to_offset": 11})
    place.kept = (waiting, ASKED.model_copy(update={"to_offset": 3, "from_offset": 1}))
    invoke("risk/guard", *WORDS, "--kafka", settings, "--yes")
    assert place.writes == [(waiting, ASKED)]


def test_what_somebody_else_asks_for_meanwhile_is_not_lost(place: MemoryPlace, settings: str) -> None:
    place.meanwhile = (ASKED.model_copy(update={"from_offset": 11, "to_offset": 11, "requested_by": "bo"}),)
    invoke("risk/guard", *WORDS, "--kafka", settings, "--yes")
    assert place.writes == [(*place.meanwhile, ASKED)]


def test_what_is_in_the_manifests_is_refused_before_anybody_is_asked(place: MemoryPlace, settings: str) -> None:
    place.others = (ASKED,)
    code, said = invoke("risk/guard", *WORDS, "--kafka", settings, "--dry-run")
    assert (code, place.writes) == (ExitCode.FAILED, [])
    assert said.endswith("is in the agent's manifests (written by kustomize): change it there\n")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        pytest.param(["guard", *WORDS], ExitCode.USAGE, "write NAMESPACE/AGENT", id="no-namespace"),
        pytest.param(["risk/guard", *WORDS[:4]], ExitCode.USAGE, "Missing option '--reason'", id="no-reason"),
        pytest.param(
            ["risk/guard", *WORDS, "--dir", "."], ExitCode.USAGE, "name either --kafka FILE or", id="two-kafkas"
        ),
        pytest.param(
            ["risk/guard", *WORDS, "--from", "10"], ExitCode.FAILED, "error: the range begins at", id="backwards"
        ),
    ],
)
def test_what_is_not_possible_is_said(
    words: list[str], code: ExitCode, message: str, place: MemoryPlace, settings: str
) -> None:
    given, said = invoke(*words, "--kafka", settings)
    assert (given, message in said, place.writes) == (code, True, []), said


def test_where_no_dev_runs_it_fails(tmp_path: Path) -> None:
    code, said = invoke("risk/guard", *WORDS, "--dir", str(tmp_path))
    assert (code, said.startswith("error: no .streamwarden folder in ")) == (ExitCode.FAILED, True)
