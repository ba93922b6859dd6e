"""N9: which rules read what a decision may leave out; each answer is held against what the engine says of such one."""

import sys
from datetime import UTC, datetime

import pytest
from streamwarden_contract.canonical import JsonValue
from streamwarden_judging.rules import activation, compile_rule
from streamwarden_judging.typed.checking import CheckedRule, checker_for
from streamwarden_judging.typed.facts import Covered, rule_types

ITEM: JsonValue = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "price": {"type": "number"}},
    "required": ["name"],
}
SCHEMA: JsonValue = {
    "type": "object",
    "properties": {
        "amount": {"type": "number"},
        "note": {"type": "string"},
        "first-name": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "items": {"type": "array", "items": ITEM},
        "inner": ITEM,
        "kind": {"enum": ["card", "cash"]},
        "card": {"type": "string"},
        "bank": {"type": "string"},
        "branch": {"type": "string"},
    },
    "required": ["amount", "items"],
    "dependentRequired": {"branch": ["bank"]},
    "if": {"properties": {"kind": {"const": "card"}}, "required": ["kind"]},
    "then": {"required": ["card"]},
}
CHECKER = checker_for(*rule_types(Covered("refund", SCHEMA), [Covered("other", {"type": "object"})]))
LEAST: dict[str, JsonValue] = {"type": "refund", "entity": "a", "confidence": 0.9}
P = "decision.parameters"


def unguarded(expression: str) -> list[str]:
    checked = CHECKER.check(expression.replace("P.", f"{P}."), bounded=False)
    assert isinstance(checked, CheckedRule), checked
    return [path.removeprefix(f"{P}.") for path in checked.unguarded]


def errs(expression: str, **more: JsonValue) -> bool:
    """Tell whether a decision without all that may be absent, but for ``more``, is denied for an error."""
    rule = compile_rule(expression.replace("P.", f"{P}."))
    decision = {**LEAST, "parameters": {"amount": 5.0, "items": [{"name": "x"}], **more}}
    facts = activation(decision=decision, agent={}, now=datetime(2026, 1, 1, tzinfo=UTC))
    return isinstance(rule.evaluate(facts), str)


@pytest.mark.parametrize(
    ("rule", "paths"),
    [
        pytest.param("P.note != 'x'", ["note"], id="read-alone"),
        pytest.param("P.tags.all(t, t != 'x')", ["tags"], id="gone-over"),
        pytest.param("P.note in ['a'] || P.tags.size() > 3", ["note", "tags"], id="two-in-the-order-of-the-text"),
        pytest.param("has(P.note) || P.note != 'x'", ["note"], id="asked-for-and-needed-where-it-is-not-there"),
        pytest.param("!has(P.note) && P.note != 'x' || P.note == 'y'", ["note"], id="asked-for-in-another-alternative"),
        pytest.param("has(P.tags) && P.note != 'x' || P.note == 'y'", ["note"], id="another-field-is-asked-for"),
        pytest.param(
            "has(P.note) ? P.tags.size() > 1 : P.note == 'x'", ["tags", "note"], id="the-wrong-way-of-a-choice"
        ),
        pytest.param("has(P.inner.name)", ["inner"], id="what-has-itself-reads"),
        pytest.param("!has(P.inner) || P.inner.price > 1.0", ["inner.price"], id="a-field-of-one-that-is-asked-for"),
        pytest.param("P.items.all(i, i.price > 1.0)", ["items[].price"], id="of-an-item"),
        pytest.param("P.items[0].price > 1.0", ["items[].price"], id="of-an-item-by-its-place"),
        pytest.param("P.`first-name` == 'x'", ["`first-name`"], id="a-name-in-back-quotes"),
        pytest.param("(has(P.note) || P.amount > 1.0) && P.note != 'x'", ["note"], id="asked-for-in-one-case-only"),
    ],
)
def test_what_may_be_absent_and_is_read_all_the_same_is_told(rule: str, paths: list[str]) -> None:
    assert unguarded(rule) == paths
    assert errs(rule) or errs(rule, inner={"name": "x"})


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param("P.amount < 100.0", id="the-schema-demands-it"),
        pytest.param("P.items.all(i, i.name != 'x')", id="the-schema-demands-it-of-items"),
        pytest.param("has(P.note)", id="asked-for-alone"),
        pytest.param("!has(P.note) || P.note != 'x'", id="not-there-or"),
        pytest.param("P.note != 'x' || !has(P.note)", id="asked-for-behind"),
        pytest.param("has(P.note) && P.note != 'x'", id="there-and"),
        pytest.param("P.note != 'x' && has(P.note)", id="there-and-behind"),
        pytest.param("has(P.note) && P.amount > 1.0 && (P.note == 'a' || P.note == 'b')", id="deeper-below-and"),
        pytest.param("!(has(P.note) && has(P.tags)) || P.note != P.tags[0]", id="both-asked-for"),
        pytest.param("!has(P.note) || !has(P.tags) || P.note != P.tags[0]", id="both-one-after-the-other"),
        pytest.param("has(P.note) ? P.note != 'x' : true", id="a-choice"),
        pytest.param("!has(P.note) ? true : P.note != 'x'", id="a-choice-the-other-way"),
        pytest.param("(has(P.note) ? P.amount > 1.0 : false) && P.note != 'x'", id="a-choice-that-demands-it"),
        pytest.param("P.items.all(i, !has(i.price) || i.price > 1.0)", id="of-an-item"),
        pytest.param("P.items.exists(i, has(i.price) && i.price > 1.0)", id="of-one-item"),
        pytest.param("P.items.filter(i, has(i.price)).all(i, i.price > 1.0)", id="of-the-items-that-have-it"),
        pytest.param("P.items.all(i, has(i.price)) && P.items.all(i, i.price > 1.0)", id="of-all-items-before"),
        pytest.param("!P.items.exists(i, !has(i.price)) && P.items.all(i, i.price > 1.0)", id="of-no-item-without"),
        pytest.param("!has(P.inner) || !has(P.inner.price) || P.inner.price > 1.0", id="step-by-step"),
        pytest.param("!has(P.`first-name`) || P.`first-name` != 'x'", id="a-name-in-back-quotes"),
        pytest.param("decision.type != 'refund' || !has(P.note) || P.note == 'x'", id="beside-the-type"),
        pytest.param("decision.confidence > 0.5", id="what-the-agent-says-of-itself"),
        pytest.param("dyn(decision.parameters).more != 'x' || true", id="what-nobody-can-check"),
    ],
)
def test_what_is_asked_for_or_demanded_is_no_alarm(rule: str) -> None:
    assert unguarded(rule) == []
    assert not errs(rule)


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param("!has(P.kind) || P.kind != 'card' || P.card != 'x'", id="demanded-for-some-kind"),
        pytest.param("!has(P.branch) || P.bank != 'x'", id="demanded-beside-another"),
        pytest.param("decision.type == 'other' || P.note != 'x'", id="the-rule-speaks-of-the-type"),
        pytest.param("decision.type in ['other'] ? true : P.note != 'x'", id="a-choice-by-the-type"),
    ],
)
def test_what_the_rule_asks_for_in_words_of_its_own_is_no_alarm(rule: str) -> None:
    assert unguarded(rule) == []


@pytest.mark.parametrize("sign", ["&&", "||"])
def test_a_rule_of_many_parts_is_checked_in_few_steps(sign: str) -> None:
    """Each part was held against each other one: 64 such rules of one Policy took 18 s of the operator's event loop."""
    rule, steps = sign.join(["true"] * 682), 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    assert unguarded("true") == []  # what is compiled once
    sys.setprofile(count)
    try:
        found = unguarded(rule)
    finally:
        sys.setprofile(None)
    assert found == []
    assert steps < 300 * 682, steps
