"""CEL behind judging: what is not exactly true denies, and fusing rules changes no answer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from streamwarden_contract.models.policy import Match, PolicySpec, Rule
from streamwarden_contract.reasons import VerdictReason
from streamwarden_contract.verdicts import Effect
from streamwarden_judging import rules
from streamwarden_judging.errors import ExpressionError
from streamwarden_judging.typed.functions import ZONED
from streamwarden_judging.verdicts import BoundPolicy, PolicySet, Verdict, judge

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
DECISION: Mapping[str, object] = {
    "type": "block-url",
    "entity": "page-0001",
    "confidence": 0.9,
    "parameters": {"minutes": 30, "tags": ["a", "b"], "note": None, "big": 2**62, "text": "x"},
}
AGENT: Mapping[str, object] = {"namespace": "risk", "name": "url-guard", "labels": {"role": "decisioning"}}


def facts() -> object:
    return rules.activation(decision=DECISION, agent=AGENT, now=NOW)


def evaluate(expression: str) -> bool | None:
    """Return the boolean answer; None where there is none."""
    answer = rules.compile_rule(expression).evaluate(facts())
    return answer if isinstance(answer, bool) else None


def words(expression: str) -> object:
    """Return what is said where there is no boolean answer."""
    return rules.compile_rule(expression).evaluate(facts())


def policy_set(
    *requires: str, failure_action: Literal["Enforce", "Audit"] = "Enforce", singly: bool = False
) -> PolicySet:
    spec = PolicySpec(
        match=Match(decisions=("block-url",)),
        failure_action=failure_action,
        rules=tuple(Rule(name=f"r{index}", require=require) for index, require in enumerate(requires)),
    )
    bound = rules.bind_policy("risk", "p", 1, spec)
    return rules.build_policy_set([(bound, spec)], () if singly else ("block-url",))


def verdict(*requires: str) -> Verdict:
    return judge(policy_set(*requires), "block-url", facts())


@pytest.mark.parametrize(
    "expression",
    [
        "decision.confidence >= 0.8",
        "decision.parameters.minutes <= 60",
        "decision.parameters.minutes <= 60.5",
        "'a' in decision.parameters.tags",
        "decision.parameters.note == null",
        "has(decision.reasoning) == false",
        "agent.labels.role == 'decisioning'",
        "now > timestamp('2026-01-31T11:59:59Z')",
        "now.getFullYear() == 2026",
        "decision.parameters.big == 4611686018427387904",
        "decision.entity.matches('^page-[0-9]+$')",
    ],
)
def test_true(expression: str) -> None:
    assert evaluate(expression) is True


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        pytest.param("decision.confidence > 0.95", False, id="false"),
        pytest.param("decision.missing > 1", None, id="F51-a-missing-field"),
        pytest.param("decision.parameters.text > 1", None, id="F51-a-wrong-type"),
        pytest.param("decision.parameters.minutes / 0 > 1", None, id="F51-a-division-by-zero"),
        pytest.param("decision.parameters.text", None, id="F51-a-string-is-no-boolean"),
        pytest.param("decision.parameters.minutes", None, id="F51-a-number-is-no-boolean"),
        pytest.param("decision.parameters.note", None, id="F51-null-is-no-boolean"),
        pytest.param("decision.parameters.tags", None, id="F51-a-list-is-no-boolean"),
        pytest.param("decision.parameters", None, id="F51-a-map-is-no-boolean"),
        pytest.param("decision.missing > 1 || true", True, id="F51-an-error-or-true-is-true"),
        pytest.param("decision.missing > 1 && false", False, id="F51-an-error-and-false-is-false"),
        pytest.param("decision.entity.matches('(a{1,1000}){1,1000}')", None, id="F53-a-pattern-that-breaks-late"),
    ],
)
def test_answer(expression: str, answer: bool | None) -> None:  # noqa: FBT001  # the answer is the point
    assert evaluate(expression) is answer


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        pytest.param("decision.missing > 1", 'Key not found in map : "missing"', id="X02-a-missing-field"),
        pytest.param(
            "decision.parameters.text > 1", "No matching overloads found : _>_(string, int64)", id="X02-a-wrong-type"
        ),
        pytest.param("decision.parameters.minutes / 0 > 1", "divide by zero", id="a-division-by-zero"),
        pytest.param("decision.parameters.text", "gives string, and a rule gives a boolean", id="no-boolean"),
        pytest.param(
            "decision.parameters[decision.parameters.text + '\\u202e\\n']",
            'Key not found in map : "x\\u202e\\n"',
            id="what-is-not-seen-is-written-out",
        ),
    ],
)
def test_x02_the_engines_own_words_say_why_a_rule_errs(expression: str, said: str) -> None:
    found = verdict(expression)
    assert (found.reason, found.rule, found.message) == (VerdictReason.RULE_ERROR, "p/r0", said)
    audited = judge(policy_set(expression, failure_action="Audit"), "block-url", facts()).would_deny
    assert [(finding.rule, finding.message) for finding in audited] == [("p/r0", said)]


def test_the_engines_words_are_bounded() -> None:
    found = words(f"decision.parameters['{'x' * 1_000}']")
    assert isinstance(found, str)
    assert (len(found), found[-3:]) == (300, "...")


@pytest.mark.parametrize("function", ZONED)
def test_x09_no_function_takes_a_time_zone(function: str) -> None:
    assert evaluate(f"now.{function}() >= 0") is True
    with pytest.raises(ExpressionError, match=f"undeclared reference to '{function}'"):
        rules.compile_rule(f"now.{function}(decision.parameters.text) >= 0")


def test_two_rules_that_only_together_exceed_the_iterations_are_judged_singly() -> None:
    inner = "[" + ",".join(str(number) for number in range(77)) + "]"
    loop = f"{inner}.all(a, {inner}.all(b, a + b >= 0))"
    assert "Iteration budget" in str(words(f"({loop}) && ({loop})"))
    one, other = (PolicySpec(rules=(Rule(name="loop", require=loop),)) for _ in range(2))
    bound = [(rules.bind_policy("risk", name, 1, spec), spec) for name, spec in (("one", one), ("other", other))]
    policies = rules.build_policy_set(bound, ("block-url",))
    assert judge(policies, "block-url", facts()).effect is Effect.ALLOW
    audited = policy_set(loop, loop, "decision.missing", failure_action="Audit")
    assert [finding.rule for finding in judge(audited, "block-url", facts()).would_deny] == ["p/r2"]


HALVES = [
    pytest.param(("true) || (true",), id="one-that-only-parentheses-complete"),
    pytest.param(("true) || (true", "false"), id="and-another"),
    pytest.param(("true ||", "true"), id="one-that-ends-too-early"),
    pytest.param(("now.getHours('UTC') >= 0", "true"), id="X09-a-time-zone"),
]


@pytest.mark.parametrize("requires", HALVES)
def test_x13_a_rule_that_does_not_compile_denies_and_says_so(requires: tuple[str, ...]) -> None:
    spec = PolicySpec(rules=tuple(Rule(name=f"r{index}", require=require) for index, require in enumerate(requires)))
    bound = rules.bind_policy("risk", "p", 1, spec)
    found = judge(rules.build_policy_set([(bound, spec)], ("block-url",)), "block-url", facts())
    assert (found.effect, found.reason, found.rule) == (Effect.DENY, VerdictReason.RULE_ERROR, "p/r0")
    assert [fault.split(":")[0] for fault in rules.compile_faults(bound)] == ["rule 'r0'"]
    assert found.message in next(rules.compile_faults(bound))


def test_F51_cel_error_denies() -> None:  # noqa: N802  # the catalogue's number
    found = verdict("decision.missing > 1")
    assert (found.effect, found.reason, found.rule) == (Effect.DENY, VerdictReason.RULE_ERROR, "p/r0")


def test_F52_a_pattern_that_backtracks_elsewhere_takes_linear_time() -> None:  # noqa: N802  # the catalogue's number
    text = "a" * 50_000 + "!"
    assert evaluate(f"'{text}'.matches('^(a+)+$')") is False


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        pytest.param("decision.parameters.minutes <= 500.0", True, id="F59-an-int-below-a-double"),
        pytest.param("decision.parameters.minutes == 30.0", True, id="F59-an-int-and-an-equal-double"),
        pytest.param("decision.confidence < 1", True, id="F59-a-double-below-an-int"),
        pytest.param("decision.parameters.big > 4611686018427387903.0", False, id="F59-2-to-the-62-is-its-double"),
        pytest.param("decision.parameters.minutes in [30.0]", True, id="F59-an-int-among-doubles"),
    ],
)
def test_numbers_of_two_types_are_compared_by_value(rule: str, *, answer: bool) -> None:
    assert evaluate(rule) is answer


def test_F54_a_comprehension_bomb_denies() -> None:  # noqa: N802  # the catalogue's number
    digits = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]"
    bomb = f"{digits}.all(a, {digits}.all(b, {digits}.all(c, {digits}.all(d, a + b + c + d > 0))))"
    assert evaluate(bomb) is None
    found = verdict(bomb)
    assert (found.effect, found.reason) == (Effect.DENY, VerdictReason.RULE_ERROR)


def test_many_loops_that_are_each_within_the_limit_are_allowed_together() -> None:
    digits = "[" + ",".join(str(number) for number in range(90)) + "]"
    loop = f"{digits}.all(a, {digits}.all(b, a + b >= 0))"
    assert evaluate(loop) is True
    assert verdict(loop, loop, loop).effect is Effect.ALLOW


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("decision.confidence >", "1:22: Syntax error", id="F50-a-syntax-error"),
        pytest.param("", "Syntax error", id="F50-nothing"),
        pytest.param("// only a comment", "Syntax error", id="F50-only-a-comment"),
        pytest.param("event.amount < 5", "undeclared reference to 'event", id="F50-an-undeclared-variable"),
        pytest.param("decide(decision)", "undeclared reference to 'decide'", id="F50-an-undeclared-function"),
        pytest.param("'yes'", "must be a boolean, and is STRING", id="a-string"),
        pytest.param("1 + 1", "must be a boolean, and is INT", id="a-number"),
        pytest.param("decision", "must be a boolean, and is", id="a-map"),
        pytest.param("now", "must be a boolean, and is", id="a-time"),
        pytest.param("true) || (true", "Syntax error", id="unbalanced-parentheses"),
        pytest.param("true) || true //", "Syntax error", id="a-closing-parenthesis-before-a-comment"),
        pytest.param("(true", "Syntax error", id="an-open-parenthesis"),
        pytest.param("'unfinished", "Syntax error", id="an-unfinished-string"),
        pytest.param("true ? true : " * 40 + "true", "is nested too deeply", id="F57-too-deep"),
        pytest.param("true" + " " * 100_001, "exceeds codepoint limit", id="F57-too-long"),
        pytest.param("\ud800", "", id="F58-a-lone-surrogate"),
        pytest.param("true\x00", "", id="a-zero-byte"),
    ],
)
def test_does_not_compile(expression: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        rules.compile_rule(expression)
    assert message in str(caught.value)
    assert "INVALID_ARGUMENT" not in str(caught.value)


def test_a_policy_that_does_not_compile_names_its_rule() -> None:
    spec = PolicySpec(rules=(Rule(name="r0", require="true"), Rule(name="r1", require="x")))
    (said,) = rules.compile_faults(rules.bind_policy("risk", "p", 1, spec))
    assert said.startswith("rule 'r1': 1:1: undeclared reference to 'x'")


FOOLING = [
    pytest.param("true // not the end", id="a-comment-at-the-end"),
    pytest.param("true //", id="an-empty-comment-at-the-end"),
    pytest.param("true // )", id="a-comment-with-a-parenthesis"),
    pytest.param("true || true", id="an-or-without-parentheses"),
    pytest.param("true ? true : false", id="a-condition-without-parentheses"),
    pytest.param("// first\ntrue\n// last", id="comments-on-lines-of-their-own"),
    pytest.param("decision.entity != ') || (true'", id="parentheses-in-a-string"),
    pytest.param("decision.entity != '''\n) || (true\n'''", id="parentheses-in-a-long-string"),
    pytest.param("decision.entity != r'a\\b'", id="a-raw-string-with-a-backslash"),
    pytest.param("decision.entity != '\\''", id="an-escaped-quote"),
    pytest.param("true\r", id="a-carriage-return-at-the-end"),
    pytest.param("true // a\rb", id="a-carriage-return-in-a-comment"),
    pytest.param("true // a\u2028b", id="a-line-separator-in-a-comment"),
]


@pytest.mark.parametrize("fooling", FOOLING)
def test_no_rule_changes_what_follows_or_precedes_it(fooling: str) -> None:
    assert verdict(fooling).effect is Effect.ALLOW
    assert verdict(fooling, "false").rule == "p/r1"
    assert verdict("false", fooling).rule == "p/r0"
    assert verdict(fooling, "decision.missing").reason is VerdictReason.RULE_ERROR


@pytest.mark.parametrize("fooling", FOOLING)
def test_the_conjunction_itself_is_not_fooled(fooling: str) -> None:
    for requires, answer in (((fooling, "true"), True), ((fooling, "false"), False), (("false", fooling), False)):
        conjunction = policy_set(*requires).fused["block-url"][1]
        assert conjunction is not None
        assert conjunction.evaluate(facts()) is answer


atoms = st.sampled_from(
    [
        "true",
        "false",
        "decision.confidence > 0.5",
        "decision.confidence > 0.95",
        "decision.missing > 1",
        "decision.parameters.text",
        "decision.missing > 1 || true",
        "false // comment",
        "true // comment",
        "decision.parameters.note == null ? true : false",
        "1 == 1 || false",
    ]
)


@given(st.lists(atoms, max_size=5))
def test_fused_and_single_rules_agree(requires: list[str]) -> None:
    fused = judge(policy_set(*requires), "block-url", facts())
    assert fused == judge(policy_set(*requires, singly=True), "block-url", facts())


@given(st.lists(atoms, min_size=1, max_size=5))
def test_an_audit_policy_finds_the_same_as_an_enforced_one(requires: list[str]) -> None:
    found = judge(policy_set(*requires, failure_action="Audit"), "block-url", facts()).would_deny
    expected = [f"p/r{index}" for index, require in enumerate(requires) if evaluate(require) is not True]
    assert [finding.rule for finding in found] == expected


def test_policies_of_other_decision_types_are_not_fused_in() -> None:
    one = PolicySpec(match=Match(decisions=("other",)), rules=(Rule(name="never", require="false"),))
    two = PolicySpec(rules=(Rule(name="always", require="true"),))
    bound = [(rules.bind_policy("risk", name, 1, spec), spec) for name, spec in (("one", one), ("two", two))]
    policies = rules.build_policy_set(bound, ("block-url", "other"))
    assert judge(policies, "block-url", facts()).policies == ("risk/two@1",)
    assert judge(policies, "other", facts()).rule == "one/never"


def test_sixty_four_rules_are_judged_as_one() -> None:
    policies = policy_set(*(f"decision.parameters.minutes < {31 + index}" for index in range(64)))
    assert policies.fused["block-url"][1] is not None
    assert judge(policies, "block-url", facts()).effect is Effect.ALLOW


@pytest.mark.parametrize(
    "value",
    [2**63 - 1, -(2**63), 1.7976931348623157e308, -0.0, "\U0001f600", "\x00", [], {}, None, True],
    ids=repr,
)
def test_any_strict_json_can_be_judged(value: object) -> None:
    bound = rules.activation(decision={"parameters": {"x": value}}, agent=AGENT, now=NOW)
    assert (
        rules.compile_rule("has(decision.parameters.x) && decision.parameters.x == decision.parameters.x").evaluate(
            bound
        )
        is True
    )


def test_F56_the_deepest_json_can_be_judged() -> None:  # noqa: N802  # the catalogue's number
    deep: object = 1
    for _ in range(62):
        deep = [deep]
    bound = rules.activation(decision={"parameters": {"x": deep}}, agent=AGENT, now=NOW)
    assert rules.compile_rule("size(decision.parameters.x) == 1").evaluate(bound) is True


def with_params(params: dict[str, JsonValue] | None, *requires: str, name: str = "p") -> tuple[BoundPolicy, PolicySpec]:
    named = tuple(Rule(name=f"r{index}", require=require) for index, require in enumerate(requires))
    spec = PolicySpec(rules=named, params=params)
    return rules.bind_policy("risk", name, 1, spec), spec


@pytest.mark.parametrize("types", [(), ("block-url",)], ids=["one-by-one", "fused"])
@pytest.mark.parametrize(
    ("most", "effect"), [pytest.param(30, Effect.ALLOW, id="within"), pytest.param(29, Effect.DENY, id="beyond")]
)
def test_each_policy_sees_its_own_data(types: tuple[str, ...], most: int, effect: Effect) -> None:
    rule = "decision.parameters.minutes <= params.most"
    bound = [
        with_params({"most": 60}, rule, name="wide"),
        with_params(None, "decision.confidence > 0.5", name="plain"),
        with_params({"most": most}, rule, rule, name="narrow"),
        with_params({"most": 60}, rule, name="wide-again"),
    ]
    found = judge(rules.build_policy_set(bound, types), "block-url", facts())
    assert (found.effect, found.rule) == (effect, None if effect is Effect.ALLOW else "narrow/r0")


def test_a_policy_without_data_has_no_such_variable() -> None:
    bound, _ = with_params(None, "params.most > 1")
    assert [fault for fault in rules.compile_faults(bound) if "undeclared reference to 'params" in fault]
    assert not list(rules.compile_faults(with_params({}, "has(params.most)")[0]))


def test_data_that_no_gate_can_hold_denies_in_words() -> None:
    bound = with_params({"a": 1.5, "b": 2**53 + 1}, "params.a > 1.0")
    found = judge(rules.build_policy_set([bound], ("block-url",)), "block-url", facts())
    assert (found.effect, found.reason) == (Effect.DENY, VerdictReason.RULE_ERROR)
    assert found.message == "params: 9007199254740993 is no double: as a number it would be 9007199254740992"
