"""Which rules check for which agents and decision types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.models.policy import PolicySpec
from streamwarden_operator.desired.rule_checks import Governed, RuleChecks, check_rules, listed, pairs_of
from streamwarden_operator.desired.rule_remarks import remarks

if TYPE_CHECKING:
    from pydantic import JsonValue

URLS = '{"type":"object","properties":{"service":{"type":"string"},"amount":{"type":"integer"}}}'
MAILS = '{"type":"object","properties":{"sender":{"type":"string"}}}'
AGENTS = (
    Governed("guard", {"role": "judge"}, {"block-url": URLS, "allow-url": URLS}),
    Governed("clerk", {"role": "judge"}, {"block-mail": MAILS}),
    Governed("other", {"role": "other"}, {"block-url": MAILS}),
)


def spec(*rules: str, decisions: tuple[str, ...] = (), action: str = "Enforce") -> PolicySpec:
    match = {"agentSelector": {"matchLabels": {"role": "judge"}}, "decisions": list(decisions)}
    named = [{"name": f"r{index}", "require": rule} for index, rule in enumerate(rules)]
    return PolicySpec.model_validate({"match": match, "rules": named, "failureAction": action})


def checked(policy: PolicySpec, in_force: frozenset[tuple[str, str]] = frozenset()) -> RuleChecks:
    return check_rules(policy, pairs_of(policy, AGENTS), in_force)


def faults(found: RuleChecks) -> dict[int, list[str]]:
    return {index: [str(fault) for fault in each] for index, each in found.refused.items()}


def test_a_policy_covers_the_types_that_it_names_of_the_agents_that_it_selects() -> None:
    every = [("clerk", "block-mail"), ("guard", "allow-url"), ("guard", "block-url")]
    assert [pair.place for pair in pairs_of(spec(), AGENTS)] == every
    assert [pair.place for pair in pairs_of(spec(decisions=("block-url",)), AGENTS)] == [("guard", "block-url")]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        pytest.param(
            '!has(decision.paramters) || decision.parameters.service != "payments"',
            "1:5: decision has no field 'paramters'; did you mean 'parameters'?",
            id="X01-a-letter-is-missing",
        ),
        pytest.param(
            "decision.confidense >= 0.8",
            "1:9: decision has no field 'confidense'; did you mean 'confidence'?",
            id="X02-a-letter-is-another",
        ),
        pytest.param("decision.entity >= 0.8", "1:17: a string and a double cannot be compared", id="X02-a-text"),
        pytest.param(
            'now.getHours("Europe/Berln") > 3',
            "1:13: getHours takes no time zone here: it answers in UTC, and getHours() is how to ask",
            id="X02-a-time-zone",
        ),
        pytest.param(
            "duration('7d') > duration('1h')",
            "1:9: String to Duration conversion failed; a duration is written as in '36h', '90s' or '1h30m': "
            "the largest unit is the hour",
            id="X02-days",
        ),
        pytest.param("agent.labels.team == 'a'", "1:13: agent.labels has no field 'team'; it has role", id="a-label"),
    ],
)
def test_what_no_decision_has_is_refused_also_before_there_is_any(rule: str, said: str) -> None:
    policy = spec("true", rule)
    assert faults(checked(policy)) == {1: [said]}
    assert faults(check_rules(policy, ())) == {1: [said]}


def test_parameters_are_not_checked_before_there_is_a_schema() -> None:
    policy = spec("decision.parameters.amonut < 5 && decision.parameters.items.all(i, i.x > 2)")
    assert check_rules(policy, ()) == RuleChecks()
    assert faults(checked(spec("decision.parameters.amonut < 5"))) == {
        0: ["1:20: decision.parameters has no field 'amonut'; did you mean 'amount'?"]
    }


def test_a_type_that_is_never_covered_is_refused_before_there_is_an_agent() -> None:
    policy = spec("decision.type != 'block-urls'", decisions=("block-url",))
    assert faults(check_rules(policy, ())) == {0: ["1:18: the schema never allows 'block-urls' here, only block-url"]}
    assert check_rules(spec("decision.type != 'block-urls'"), ()) == RuleChecks()


def test_a_name_that_another_covered_type_has_is_no_mistake() -> None:
    found = checked(spec("!has(decision.parameters.sender) || decision.parameters.sender != 'a'"))
    assert (found.refused, found.not_applicable) == ({}, {})


def test_a_policy_is_not_applicable_where_its_rules_do_not_check() -> None:
    schemaless = (*AGENTS, Governed("free", {"role": "judge"}, {"block-url": None}))
    policy = spec("decision.parameters.amount < 5")
    found = check_rules(policy, pairs_of(policy, schemaless))
    assert found.refused == {}
    assert listed(found.not_applicable) == (
        "free/block-url (rule 'r0': 1:20: the schema does not say what 'amount' is read from: write dyn(...) around "
        "what stands before the dot)"
    )


def test_where_no_pair_checks_all_are_not_applicable_and_the_rule_is_refused() -> None:
    found = checked(spec("decision.parameters.amonut < 5"))
    assert sorted(pair.place for pair in found.not_applicable) == sorted(pair.place for pair in found.pairs)


def test_what_was_in_force_goes_on_and_is_told() -> None:
    found = checked(spec("decision.parameters.amonut < 5"), frozenset({("guard", "block-url")}))
    assert found.refused == {}
    assert [pair.place for pair in found.untyped] == [("guard", "block-url")]
    assert [pair.place for pair in found.not_applicable] == [("clerk", "block-mail"), ("guard", "allow-url")]


def test_a_pair_in_force_whose_rules_check_is_as_any_other() -> None:
    found = checked(spec("decision.confidence > 0.5"), frozenset({("guard", "block-url")}))
    assert (found.refused, found.untyped, found.not_applicable) == ({}, {}, {})


def test_the_first_four_of_many_pairs_are_named() -> None:
    agents = [Governed(f"a{number}", {"role": "judge"}, {"t": None}) for number in range(6)]
    policy = spec("decision.parameters.x == 1")
    said = listed(check_rules(policy, pairs_of(policy, agents)).not_applicable)
    assert said.startswith("a0/t (rule 'r0': ")
    assert said.endswith(") and 2 more")
    assert "a4/t" not in said


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        pytest.param(spec("true"), [], id="a-good-one"),
        pytest.param(
            spec("true", decisions=("nobody-s",)),
            ["it covers no decision: no agent that it selects has one of its types (yet)"],
            id="X49-it-covers-nobody",
        ),
        pytest.param(
            spec(), ["it has no rules: everything that it covers is allowed"], id="X49-enforced-and-without-rules"
        ),
        pytest.param(spec(action="Audit"), [], id="without-rules-and-not-enforced"),
        pytest.param(
            spec("dyn(decision.parameters).x == 1"),
            ["no name is checked in what is read through dyn(...): decision.parameters"],
            id="parts-without-a-type",
        ),
        pytest.param(
            spec("decision.parameters.amount < 5", decisions=("block-url",)),
            [
                (
                    "rule 'r0' reads decision.parameters.amount, which a decision may leave out: that is an error then,"
                    " and denies. Write !has(decision.parameters.amount) || ... where it may be missing, or demand it"
                    " in the schema"
                ),
            ],
            id="N9-a-field-that-may-be-absent",
        ),
        pytest.param(
            spec("!has(decision.parameters.amount) || decision.parameters.amount < 5", decisions=("block-url",)),
            [],
            id="N9-a-field-that-is-asked-for",
        ),
    ],
)
def test_what_an_author_should_know(policy: PolicySpec, said: list[str]) -> None:
    assert remarks(policy, checked(policy)) == said


def test_of_many_doubtful_rules_four_are_named() -> None:
    policy = spec(*["decision.parameters.amount < 5"] * 6, decisions=("block-url",))
    said = remarks(policy, checked(policy))
    assert [sentence.split(" reads ")[0] for sentence in said[:-1]] == [f"rule 'r{number}'" for number in range(4)]
    assert said[-1] == "and 2 more rules are like these"


def with_params(params: dict[str, JsonValue], *rules: str) -> PolicySpec:
    return spec(*rules).model_copy(update={"params": params})


@pytest.mark.parametrize(
    ("params", "rule", "said"),
    [
        pytest.param(
            {"most": 5}, "params.mots > 1", "1:7: params has no field 'mots'; did you mean 'most'?", id="a-name"
        ),
        pytest.param({"most": "5"}, "params.most > 1", "1:13: a string and an int cannot be compared", id="a-type"),
        pytest.param(
            {"names": ["a", "b"]},
            "'c' in params.names",
            "1:1: the schema never allows 'c' here, only a, b",
            id="a-text",
        ),
    ],
)
def test_rules_are_checked_against_the_data_beside_them(params: dict[str, JsonValue], rule: str, said: str) -> None:
    policy = with_params(params, rule)
    assert faults(checked(policy)) == {0: [said]}
    assert faults(check_rules(policy, ())) == {0: [said]}


def test_other_data_gives_the_same_rule_another_answer() -> None:
    assert checked(with_params({"most": 5}, "params.most > 1")).refused == {}
    assert faults(checked(with_params({"least": 5}, "params.most > 1"))) == {
        0: ["1:7: params has no field 'most'; it has least"]
    }


def test_data_that_is_too_large_checks_for_nothing() -> None:
    found = checked(with_params({"x": "a" * 65536}, "true"))
    assert found.params_fault == "params has 65544 bytes, and at most 65536 are allowed"
    assert [pair.place for pair in found.not_applicable] == [pair.place for pair in found.pairs]


def test_rules_that_are_each_within_the_limit_may_together_be_too_costly() -> None:
    tags = '{"properties":{"tags":{"type":"array","items":{"type":"string"}}}}'
    agents = (Governed("guard", {"role": "judge"}, {"tag": tags}),)
    one = "decision.parameters.tags.all(t, t.matches('^[a-z]+$'))"
    policies = [spec(*[one] * count) for count in (4, 5)]
    few, many = (check_rules(policy, pairs_of(policy, agents)) for policy in policies)
    assert few.refused == {}
    said = (
        "1:1: all rules of the policy together may take 0.35 s for one decision, and at most 0.3 s is allowed: this "
        "one takes 0.07 s of it"
    )
    assert faults(many) == {0: [said]}
