"""The reference pages say everything that the models say, and are as they were generated."""

from pathlib import Path

import pytest
from streamwarden_cli.generated import reference
from streamwarden_contract.models import KINDS, Kind
from streamwarden_contract.reasons import ConditionReason, DeadLetterReason, VerdictReason
from streamwarden_gate.reasons import RefusalReason
from streamwarden_operator.desired.checks.agents import HALTED

DOCS = Path(__file__).parents[4] / "docs" / "reference"
PAGES = reference.pages()


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
