"""The one table of verdict words: others read it, and its order means nothing."""

from pathlib import Path

import pytest
from streamwarden_contract.models.policy import Rule
from streamwarden_contract.verdicts import Effect, Unjudged

ROOT = Path(__file__).parents[3]


def test_each_word_is_there_once_with_its_strength_and_what_it_makes() -> None:
    assert [(str(word), word.strength, word.makes) for word in (*Effect, *Unjudged)] == [
        ("Allow", 1, "command"),
        ("Deny", 2, ""),
        ("DeadLetter", 0, "deadLetter"),
        ("Skipped", 0, ""),
    ]


def test_no_two_effects_are_of_one_strength() -> None:
    assert len({effect.strength for effect in Effect}) == len(Effect)


def test_a_rule_names_an_effect_of_the_table() -> None:
    rule = Rule.model_validate({"name": "r", "require": "true", "otherwise": "Deny"})
    assert rule.otherwise is Effect.DENY
    assert rule.model_dump(mode="json")["otherwise"] == "Deny"


def test_a_rule_names_no_other() -> None:
    with pytest.raises(ValueError, match="Deny"):
        Rule.model_validate({"name": "r", "require": "true", "otherwise": "Allow"})


def test_the_page_of_audit_records_names_them_all() -> None:
    page = (ROOT / "docs" / "reference" / "audit.md").read_text(encoding="utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith("| `verdict` |"))
    assert [str(word) for word in (*Effect, *Unjudged) if str(word) not in line] == []
