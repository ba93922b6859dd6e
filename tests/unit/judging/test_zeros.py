"""Texts with U+0000, which the engine's binding cuts off: no rule takes one for what stands before it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.models.policy import PolicySpec
from streamwarden_contract.reasons import VerdictReason
from streamwarden_contract.verdicts import Effect
from streamwarden_judging import rules
from streamwarden_judging.engine import Engine
from streamwarden_judging.typed.zeros import has_zero, without_zeros

if TYPE_CHECKING:
    from streamwarden_contract.canonical import JsonValue
    from streamwarden_judging.verdicts import PolicySet

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BED = "bed-1\0; open all"
"""What a rule saw of it was ``bed-1``, and the command had all of it."""


def policy_set(require: str, params: dict[str, Any] | None = None) -> PolicySet:
    said = {"match": {}, "rules": [{"name": "r", "require": require}], "failureAction": "Enforce"}
    spec = PolicySpec.model_validate(said if params is None else {**said, "params": params})
    return rules.build_policy_set([(rules.bind_policy("farm", "p", 1, spec), spec)], ("water",))


def verdict(require: str, parameters: dict[str, Any], params: dict[str, Any] | None = None) -> tuple[Effect, str]:
    decision: dict[str, JsonValue] = {"type": "water", "entity": "bed-1", "parameters": parameters}
    found = Engine(policy_set(require, params), {"labels": {}}).judge("water", decision, NOW)
    return found.effect, found.reason


@pytest.mark.parametrize(
    "require",
    [
        "decision.parameters.bed == decision.entity",
        "decision.parameters.bed == 'bed-1'",
        "decision.parameters.bed in ['bed-1', 'bed-2']",
        "decision.parameters.bed.matches('^[a-z0-9-]+$')",
        "decision.parameters.bed.startsWith('bed-')",
        "decision.parameters.bed.endsWith('1')",
        "!decision.parameters.bed.contains('open')",
        "decision.parameters.bed < 'c'",
        "size(decision.parameters.bed) <= 10",
        "string(decision.parameters.bed) == 'bed-1'",
        "string(decision.parameters.bed).size() <= 10",
        "decision.parameters.bed + '' == 'bed-1'",
        "type(decision.parameters.bed) == string",
        "[decision.parameters.bed].all(bed, bed.startsWith('bed'))",
        "{'bed-1': true}[decision.parameters.bed]",
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_rule_that_holds_for_what_stands_before_it_does_not_hold(require: str, *, nested: bool) -> None:
    given = require.replace("parameters.bed", "parameters.at.beds[0]") if nested else require
    for bed, expected in (("bed-1", Effect.ALLOW), (BED, Effect.DENY)):
        parameters = {"at": {"beds": [bed]}} if nested else {"bed": bed}
        assert verdict(given, parameters)[0] is expected


@pytest.mark.parametrize(
    "require",
    [
        "decision.parameters.bed != 'bed-1'",
        "!(decision.parameters.bed in ['bed-1', 'bed-2'])",
        "size(decision.parameters.bed) == 16",
        "has(decision.parameters.bed)",
        "decision.confidence == 0.5",
    ],
)
def test_a_rule_that_holds_for_all_of_it_or_does_not_ask_holds(require: str) -> None:
    decision: dict[str, JsonValue] = {
        "type": "water",
        "entity": "bed-1",
        "parameters": {"bed": BED},
        "confidence": 0.5,
    }
    found = Engine(policy_set(require), {"labels": {}}).judge("water", decision, NOW)
    assert (found.effect, found.reason) == (Effect.ALLOW, VerdictReason.RULES_HOLD)


@pytest.mark.parametrize(
    ("require", "parameters"),
    [
        pytest.param("has(decision.parameters.sure)", {"sure\0": True}, id="a-field-that-is-another"),
        pytest.param("decision.parameters.beds.all(bed, bed in ['a'])", {"beds": {"a\0b": 1}}, id="a-key-of-a-map"),
        pytest.param("true", {"beds": [{"a\0": 1}]}, id="whatever-is-asked"),
    ],
)
def test_the_name_of_a_field_with_it_denies(require: str, parameters: dict[str, Any]) -> None:
    assert verdict(require, parameters) == (Effect.DENY, VerdictReason.RULE_ERROR)


def test_data_beside_the_rules_has_none() -> None:
    params = {"beds": ["bed-1\0"]}
    assert verdict("true", {}, params) == (Effect.DENY, VerdictReason.RULE_ERROR)
    spec = policy_set("true", params).enforcing[0]
    assert list(rules.compile_faults(spec)) == [
        "rule 'r': params: a text has the character U+0000, and rules see nothing behind it"
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"a": "b", "c": ["d", 1, 2.5, None, True]}, False, id="none"),
        pytest.param({"a": "\\u0000"}, False, id="what-only-looks-like-one"),
        pytest.param({"a": "\0"}, True, id="a-value"),
        pytest.param({"\0": 1}, True, id="a-name"),
        pytest.param({"a": ["\\u0000", {"b": "\0"}]}, True, id="beside-what-only-looks-like-one"),
        pytest.param({"a": 2**80}, False, id="no-strict-JSON"),
        pytest.param({"a": [2**80, "\0"]}, True, id="no-strict-JSON-with-one"),
    ],
)
def test_it_is_found(value: dict[str, Any], *, expected: bool) -> None:
    assert has_zero(value) is expected


def test_what_has_none_is_seen_as_it_is() -> None:
    plain, looks = {"a": ["b"]}, {"a": "\\u0000", "n": 2**80}
    assert without_zeros(plain) is plain
    assert without_zeros(looks) is looks
