"""The reference pages say everything that the models say, and are as they were generated."""

import re
from pathlib import Path

import pytest
from streamwarden_cli.generated import reference
from streamwarden_contract.models import KINDS, Kind
from streamwarden_contract.reasons import ConditionReason, DeadLetterReason, EventReason, ScalingReason, VerdictReason
from streamwarden_gate.reasons import RefusalReason
from streamwarden_operator.desired.checks.agents import HALTED

DOCS = Path(__file__).parents[4] / "docs" / "reference"
PAGES = reference.pages()
OPERATOR = Path(__file__).parents[4] / "operator" / "src"
SOURCES = [path.read_text(encoding="utf-8") for path in OPERATOR.rglob("*.py")]
WORDS_OF_EVENTS = re.compile(
    r'(?:(?:record_event|_tell|_say|_record)\((?:Key\("\w+"|(?!Key\(")[^")])*|\breason ?= ?)"(\w+)"'
)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_on_disk_is_what_the_models_say(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name]


@pytest.mark.parametrize("reason", [*VerdictReason, *DeadLetterReason, *ConditionReason])
def test_every_reason_has_a_meaning(reason: str) -> None:
    row = next(line for line in PAGES["reasons.md"].splitlines() if line.startswith(f"| `{reason}` |"))
    assert len(row.split("|")[2].strip()) > 10


@pytest.mark.parametrize("reason", RefusalReason)
def test_what_a_gate_reports_has_a_meaning_an_end_and_a_first_step(reason: str) -> None:
    section = PAGES["reasons.md"].split("\n## What a gate reports\n")[1]
    row = next(line for line in section.splitlines() if line.startswith(f"| `{reason}` |"))
    _, meaning, ends, step = row.strip("| ").split(" | ")
    assert (len(meaning) > 10, len(step) > 10) == (True, True)
    assert ends.startswith(("Yes", "No"))


@pytest.mark.parametrize("reason", [RefusalReason.OFFSETS_LOST, RefusalReason.CHAIN_LOST])
def test_who_is_to_begin_anew_is_told_of_the_decision_topic_too(reason: str) -> None:
    """It outlives its agent, and an agent that is made again goes on with it."""
    section = PAGES["reasons.md"].split("\n## What a gate reports\n")[1]
    row = next(line for line in section.splitlines() if line.startswith(f"| `{reason}` |"))
    assert "delete the AgentDeployment and its decision topic" in row


@pytest.mark.parametrize("reason", EventReason)
def test_an_event_has_a_type_a_time_and_something_to_do(reason: str) -> None:
    section = PAGES["reasons.md"].split("\n## Events\n")[1].split("\n## ")[0]
    row = next(line for line in section.splitlines() if line.startswith(f"| `{reason}` |"))
    _, kind, when, step = row.strip("| ").split(" | ")
    assert kind in {"Normal.", "Warning."}
    assert (len(when) > 10, len(step) > 6) == (True, True)


def test_no_event_is_recorded_by_a_word_that_is_not_listed() -> None:
    listed = {*EventReason, *ConditionReason, *ScalingReason}
    assert {word for text in SOURCES for word in WORDS_OF_EVENTS.findall(text)} - listed == set()


def test_what_only_events_say_is_no_word_of_conditions_or_scaling() -> None:
    assert set(EventReason) & {*ConditionReason, *ScalingReason} == set()


@pytest.mark.parametrize("reason", sorted(HALTED))
def test_where_a_gate_halts_on_purpose_the_first_step_leads_to_gate_skip(reason: str) -> None:
    row = next(line for line in PAGES["reasons.md"].splitlines() if line.startswith(f"| `{reason}` |"))
    assert "`streamwarden gate skip`" in row


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_and_condition_of_a_kind_has_a_row(kind: type[Kind]) -> None:
    page = PAGES["kinds.md"].split(f"## {kind.__name__}\n")[1].split("\n## ")[0]
    fields = [f"`{part}.{field}`" for part in ("spec", "status") for field in _fields(kind, part)]
    missing = [name for name in (*fields, *(f"`{name}`" for name in kind.conditions)) if f"| {name} |" not in page]
    assert missing == []


def _fields(kind: type[Kind], part: str) -> list[str]:
    model = kind.model_fields[part].annotation
    assert model is not None
    return [field.alias or name for name, field in model.model_fields.items()]


def test_every_setting_says_what_it_is_for() -> None:
    rows = [line for line in PAGES["settings.md"].splitlines() if line.startswith("| `STREAMWARDEN_")]
    assert rows
    assert [row for row in rows if not row.rstrip(" |").endswith(".")] == []
