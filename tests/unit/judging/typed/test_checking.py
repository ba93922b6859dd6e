"""Rules that can be used, and what is said of those that cannot."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from streamwarden_judging.typed.checking import MAX_COST_NS, CheckedRule, RuleChecker, checker_for
from streamwarden_judging.typed.facts import Covered, rule_types
from support.typed_rules import PARAMS, SCHEMA, TYPES, VARIABLES, evaluate

if TYPE_CHECKING:
    from pydantic import JsonValue

CHECKER = checker_for(TYPES, VARIABLES)


def faults(rule: str) -> list[str]:
    checked = CHECKER.check(rule)
    return [] if isinstance(checked, CheckedRule) else [str(fault) for fault in checked]


def test_x01_a_name_with_one_letter_missing_is_refused_with_its_column_and_a_suggestion() -> None:
    rule = "!has(decision.paramters) || decision.parameters.text != 'payments'"
    assert faults(rule) == ["1:5: decision has no field 'paramters'; did you mean 'parameters'?"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("decision.confidense >= 0.8", "1:9: decision has no field 'confidense'; did you mean 'confidence'?"),
        ("decision.entity >= 0.8", "1:17: a string and a double cannot be compared"),
        (
            "now.getHours('Europe/Berln') > 3",
            "1:13: getHours takes no time zone here: it answers in UTC, and getHours() is how to ask",
        ),
        (
            "duration('7d') < duration('1h')",
            (
                "1:9: String to Duration conversion failed; a duration is written as in '36h', '90s' or '1h30m': "
                "the largest unit is the hour"
            ),
        ),
    ],
)
def test_x02_a_rule_that_could_never_hold_is_refused(rule: str, expected: str) -> None:
    assert faults(rule) == [expected]


P = "decision.parameters"
MESSAGES = {
    "": "1:1: is empty",
    "decision.entity": "1:1: must be a boolean, and is string",
    "1+" * 60 + "1 == 61": "1:1: is nested too deeply: take it apart into several rules",
    "'" + "a" * 16_384 + "' == ''": "1:1: is longer than 16384 characters",
    "decison.entity == 'a'": "1:8: there is no variable or function 'decison'; did you mean 'decision'?",
    "zzz == 1": "1:1: there is no variable or function 'zzz'; there are decision, agent, params, now",
    "confidence >= 0.7": "1:1: there is no variable or function 'confidence'; did you mean 'decision.confidence'?",
    "parameters.count > 1": "1:11: there is no variable or function 'parameters'; did you mean 'decision.parameters'?",
    "count > 1": "1:1: there is no variable or function 'count'; did you mean 'decision.parameters.count'?",
    "name == 'a'": "1:1: there is no variable or function 'name'; did you mean 'agent.name' or 'decision.model.name'?",
    "event.data.count > 1": (
        "1:11: there is no variable or function 'event'; rules read no events: what they need of one the agent puts "
        "into decision.parameters"
    ),
    "decision.count > 1": "1:9: decision has no field 'count'; did you mean 'decision.parameters.count'?",
    "agent.role == 'a'": "1:6: agent has no field 'role'; did you mean 'agent.labels.role'?",
    "lowerAscii(decision.entity) == 'a'": (
        "1:11: there is no function 'lowerAscii': docs/reference/rules.md lists all that there are"
    ),
    "decision.entity.lowerAscii() == 'a'": (
        "1:27: there is no function 'lowerAscii': docs/reference/rules.md lists all that there are"
    ),
    "decision.entity.startWith('a')": "1:26: there is no function 'startWith'; did you mean 'startsWith'?",
    "len(decision.entity) > 3": "1:4: there is no 'len' in CEL: it is written size",
    "decision.entity == None": "1:20: there is no 'None' in CEL: it is written null",
    "True": "1:1: there is no 'True' in CEL: it is written true",
    "len > 3": "1:1: there is no variable or function 'len'; there are decision, agent, params, now",
    f"{P}.count === 1": "1:29: Syntax error: token recognition error at: '= '; in CEL, equality is written ==",
    f"{P}.count !== 1": "1:29: Syntax error: token recognition error at: '= '; in CEL, inequality is written !=",
    "all(1)": "1:4: all is not used like this: docs/reference/rules.md shows how",
    f"{P}.`frst-name` == 'x'": f"1:20: {P} has no field 'frst-name'; did you mean `first-name`, in back-quotes?",
    f"{P}.open == 1": "1:26: this is applied to a value of which the schema says no type: write dyn(...) around it",
    f"{P}.open.x == 1": (
        "1:25: the schema does not say what 'x' is read from: write dyn(...) around what stands before the dot"
    ),
    f"{P}.text.x == 1": "1:25: a string has no fields",
    f"{P}.all(x, true)": f"1:9: all, exists, map and filter go over a list or a map, not over {P}",
    f"{P}['text'] == 'a'": f"1:20: a field of {P} is read with a dot, as in {P}.name",
    f"{P}.tags['a'] == 'a'": "1:25: a list of strings has nothing at a string",
    f"1 in {P}.tags": "1:3: an int cannot be in a list of strings",
    f"{P}.rate * 2 > 1.0": (
        "1:26: a double and an int cannot be multiplied: write 2.0 for 2, or int(...) or double(...) around one"
    ),
    f"{P}.rate * params.factor > 1.0": (
        "1:26: a double and an int cannot be multiplied: params.factor is a whole number, however it is written: "
        "write double(params.factor)"
    ),
    f"params.factor * {P}.rate > 1.0": (
        "1:15: an int and a double cannot be multiplied: params.factor is a whole number, however it is written: "
        "write double(params.factor)"
    ),
    f"params.share * {P}.count > 1.0": (
        "1:14: a double and an int cannot be multiplied: params.share is a double as it is now: "
        "write double(...) around the other"
    ),
    f"{P}.rate + params.names.size() > 1.0": (
        "1:26: a double and an int cannot be added: write 2.0 for 2, or int(...) or double(...) around one"
    ),
    "params.mixed[decision.entity] > 1": (
        "1:13: params.mixed has values of several types (EUR string, CHF double), so it cannot be read by key"
    ),
    f"{P}.rate % 2.0 > 1.0": "1:26: % takes two ints",
    "'a' + 1 == 'a'": "1:5: a string and an int cannot be added",
    "-'a' == 'a'": "1:1: - takes a number, not a string",
    "size(1) > 0": "1:5: size cannot be applied to an int",
    "int(duration('1s')) == 1": "1:4: int cannot be applied to a duration",
    "duration(1) < duration('1h')": "1:9: duration cannot be applied to an int",
    "[][0] + decision.entity < 'a'": "1:25: an int and a string cannot be compared",
    "!1": "1:1: ! takes booleans, not an int",
    "true && now": "1:6: && takes booleans, not a bool and a timestamp",
    "true ? 1 : 'a'": "1:6: ? : takes a boolean, and two values of one type, not a bool, an int and a string",
    "decision.entity == null": "1:17: a string is never null here: has(...) tells whether it is there",
    f"{P}.tags == null": f"1:26: {P}.tags is never null: has({P}.tags) tells whether it is there",
    "now < null": "1:7: null can only be compared with == and !=",
    f"'a' in null || {P}.urgent": "1:5: a string cannot be in null",
    "[1, 'a'].exists(x, x == 1)": (
        "1:1: all items of one list must be of one type: write dyn(...) around one that is not"
    ),
    "{'a': 1, 'b': 'x'}.a == 1": (
        "1:1: all keys, and values, of one map must be of one type: write dyn(...) around one that is not"
    ),
    "google.protobuf.Int64Value{value: 1} == 1": (
        "1:1: google.protobuf.Int64Value cannot be made in a rule: write a map, as in {'name': 'value'}"
    ),
    "decision.entity.matches(decision.type)": (
        "1:24: a regular expression must be written in the rule, not come from data"
    ),
    "decision.entity.matches('(a')": "1:24: invalid regular expression: missing ): (a",
    f"{P}.count / 0 == 1": "1:27: divides by zero",
    f"{P}.kind == 'typo'": "1:29: the schema never allows 'typo' here, only mail, url",
    f"{P}.kind in ['typo']": "1:30: the schema never allows 'typo' here, only mail, url",
    f"['mail', 'typo'].exists(x, x == {P}.kind)": "1:10: the schema never allows 'typo' here, only mail, url",
    f"({P}.urgent ? 'typo' : 'url') == {P}.kind": "1:31: the schema never allows 'typo' here, only mail, url",
    f"({P}.urgent ? {P}.kind : 'none') == 'typo'": "1:69: the schema never allows 'typo' here, only mail, url, none",
    "'typo' in params.names": "1:1: the schema never allows 'typo' here, only a, b",
    "true and false": "1:6: Syntax error: mismatched input 'and' expecting <EOF>; in CEL, 'and' is written &&",
    f"{P}.count => 1": "1:27: Syntax error: token recognition error at: '=>'; in CEL, => is written >=",
    f"{P}.count = 1": "1:27: Syntax error: token recognition error at: '= '; in CEL, equality is written ==",
}
"""docs/reference/rules.md has each of these messages."""


@pytest.mark.parametrize("rule", MESSAGES, ids=[rule[:60] for rule in MESSAGES])
def test_a_rule_is_refused_with_words_that_say_what_to_write(rule: str) -> None:
    assert faults(rule)[:1] == [MESSAGES[rule]]


@pytest.mark.parametrize(
    "rule",
    [
        f"{P}.note == null || {P}.note == 'n'",
        f"{P}.rate > 1 && {P}.count < 3.5 && {P}.count in [3.0]",
        f"({P}.urgent ? {P}.kind : 'none') == 'none' || true",
        f"{P}.nested.price == 7 && {P}.limits['EUR'] > 1 && {P}.limits.EUR > 1",
        f"{P}.`first-name` == 'Ann'",
        f"{P}.kind < 'n'",
        f"double(params.factor) * {P}.rate == 80.0 && double(params.share) * {P}.rate == 60.0",
    ],
)
def test_a_rule_that_is_right_is_taken_and_holds(rule: str) -> None:
    assert faults(rule) == []
    assert evaluate(rule) is True


def test_lines_and_columns_count_characters_also_behind_back_quotes_and_other_scripts() -> None:
    rule = f"'é🙂' == 'é🙂' && {P}.`first-name` == 'a' && decision.x == 1\n && has(decision.`a-o`)"
    assert [fault.split(": ")[0] for fault in faults(rule)] == [f"1:{rule.index('.x') + 1}", "2:8"]


def test_what_is_read_through_dyn_is_named() -> None:
    checked = CHECKER.check(f"dyn({P}.open).x == 1 && {P}.items.all(i, dyn(i).z == 1) && dyn({P}.open).y == dyn(1)")
    assert isinstance(checked, CheckedRule)
    assert checked.dynamic == (f"{P}.open", f"{P}.items[]")


def test_a_rule_that_takes_too_long_says_what_would_bound_it() -> None:
    types, variables = rule_types(Covered("a", {"properties": {"l": {"type": "array", "items": {"type": "string"}}}}))
    checked = RuleChecker(types, variables).check(f"{P}.l.map(x, x).size() > 1")
    assert isinstance(checked, list)
    assert str(checked[0]) == (
        f"1:1: may take 3.0 s for one decision, and at most {MAX_COST_NS / 1e9} s is allowed: "
        f"set maxItems for {P}.l in the schema"
    )


@pytest.mark.parametrize(
    ("bounds", "refused"),
    [
        pytest.param(({}, {}), "set maxItems for {P}.l, maxLength for {P}.s in the schema", id="F55-without-bounds"),
        pytest.param(({"maxItems": 1_000}, {"maxLength": 60_000}), "go over less", id="F55-with-bounds-that-are-wide"),
        pytest.param(({"maxItems": 1_000}, {"maxLength": 100}), None, id="F55-with-bounds-that-are-narrow"),
    ],
)
def test_a_rule_that_copies_a_string_for_each_item_is_bounded(
    bounds: tuple[dict[str, int], dict[str, int]], refused: str | None
) -> None:
    items, text = bounds
    properties: dict[str, JsonValue] = {
        "l": {"type": "array", "items": {"type": "integer"}, **items},
        "s": {"type": "string", **text},
    }
    types, variables = rule_types(Covered("a", {"properties": properties}))
    checked = RuleChecker(types, variables).check(f"{P}.l.map(i, {P}.s + {P}.s + {P}.s + {P}.s).size() > 0")
    if refused is None:
        assert isinstance(checked, CheckedRule)
        return
    assert isinstance(checked, list)
    assert str(checked[0]).startswith("1:1: may take ")
    assert refused.format(P=P) in str(checked[0])


def test_a_rule_that_takes_too_long_by_itself_says_so() -> None:
    checked = CHECKER.check("decision.reasoning.matches('(a?){1000}')")
    assert isinstance(checked, list)
    assert str(checked[0]).endswith("go over less, or over it fewer times")


def test_agents_of_the_same_contracts_share_one_checker() -> None:
    again = [checker_for(*rule_types(Covered("block-url", SCHEMA), labels=["role"], params=PARAMS)) for _ in range(3)]
    assert {id(checker) for checker in again} == {id(CHECKER)}


def test_a_rule_full_of_mistakes_over_many_fields_is_refused_in_few_steps() -> None:
    """Each of them was held against each field: 64 such rules kept the operator from everything else for 40 s."""
    schema: JsonValue = {"type": "object", "properties": {f"field{number:04}": {} for number in range(1_400)}}
    checker, steps = checker_for(*rule_types(Covered("block-url", schema))), 0
    mistakes = [f"decision.parameters.fieldx{number:03}" for number in range(100)]

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        found = checker.check(" && ".join(mistakes))
    finally:
        sys.setprofile(None)
    assert isinstance(found, list)
    assert [fault.message.partition(";")[0] for fault in found] == [
        f"decision.parameters has no field 'fieldx{number:03}'" for number in range(8)
    ]
    assert steps < 2_000_000, steps
