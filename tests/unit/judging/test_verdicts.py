"""Judging: the strongest effect counts, no cover denies, errors deny, Audit never decides."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract.reasons import VerdictReason
from streamwarden_contract.verdicts import Effect
from streamwarden_judging.verdicts import BoundPolicy, BoundRule, Finding, PolicySet, Verdict, deny, judge


class Says:
    """An expression whose answer is known."""

    def __init__(self, answer: bool | None) -> None:  # noqa: FBT001  # the answer is the point
        self.answer = answer

    def evaluate(self, facts: object) -> bool | str:
        del facts
        return "it broke" if self.answer is None else self.answer


def rule(name: str, answer: bool | None, otherwise: Effect = Effect.DENY) -> BoundRule:  # noqa: FBT001  # as above
    return BoundRule(name, Says(answer), otherwise, f"{name} must hold")


def policy(name: str, *rules: BoundRule, enforce: bool = True, decisions: Sequence[str] = ()) -> BoundPolicy:
    return BoundPolicy("risk", name, 17, frozenset(decisions), enforce, rules)


def judged(*policies: BoundPolicy) -> Verdict:
    enforcing = tuple(policy for policy in policies if policy.enforce)
    auditing = tuple(policy for policy in policies if not policy.enforce)
    return judge(PolicySet(enforcing, auditing), "block-url", {})


TRUE, FALSE, ERROR = rule("holds", True), rule("fails", False), rule("breaks", None)


ALLOWED = (Effect.ALLOW, VerdictReason.RULES_HOLD, None)
NO_COVER = (Effect.DENY, VerdictReason.NO_POLICY, None)
LAX = rule("lax", False, Effect.ALLOW)
BROKEN_LAX = rule("lax", None, Effect.ALLOW)
OTHER = ["other"]


def denied(name: str) -> tuple[Effect, VerdictReason, str]:
    return Effect.DENY, VerdictReason.RULE_NOT_SATISFIED, name


def broken(name: str) -> tuple[Effect, VerdictReason, str]:
    return Effect.DENY, VerdictReason.RULE_ERROR, name


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        pytest.param([], NO_COVER, id="no-policy-denies"),
        pytest.param([policy("p")], ALLOWED, id="no-rules-allow"),
        pytest.param([policy("p", TRUE)], ALLOWED, id="a-rule-that-holds-allows"),
        pytest.param([policy("p", FALSE)], denied("p/fails"), id="a-false-rule-denies"),
        pytest.param([policy("p", ERROR)], broken("p/breaks"), id="F51-an-error-denies"),
        pytest.param([policy("p", TRUE), policy("q", FALSE)], denied("q/fails"), id="all-policies-must-agree"),
        pytest.param([policy("p", TRUE, FALSE)], denied("p/fails"), id="all-rules-must-hold"),
        pytest.param([policy("p", TRUE, decisions=OTHER)], NO_COVER, id="a-policy-of-another-type-covers-nothing"),
        pytest.param(
            [policy("p", FALSE, decisions=OTHER), policy("q", TRUE)],
            ALLOWED,
            id="a-policy-of-another-type-denies-nothing",
        ),
        pytest.param([policy("p", TRUE, enforce=False)], NO_COVER, id="an-audit-policy-is-no-cover"),
        pytest.param(
            [policy("p", FALSE, enforce=False), policy("q", TRUE)], ALLOWED, id="an-audit-policy-never-denies"
        ),
        pytest.param(
            [policy("p", LAX)],
            (Effect.ALLOW, VerdictReason.RULE_NOT_SATISFIED, "p/lax"),
            id="the-rule-s-own-effect-counts",
        ),
        pytest.param([policy("p", LAX, FALSE)], denied("p/fails"), id="the-strongest-effect-counts"),
        pytest.param([policy("p", BROKEN_LAX)], broken("p/lax"), id="F51-an-error-denies-whatever-the-rule-says"),
    ],
)
def test_a_verdict(policies: list[BoundPolicy], expected: tuple[Effect, VerdictReason, str | None]) -> None:
    verdict = judged(*policies)
    assert (verdict.effect, verdict.reason, verdict.rule) == expected


def test_the_verdict_names_every_enforce_policy_that_covers() -> None:
    verdict = judged(
        policy("p", TRUE), policy("q", TRUE), policy("r", TRUE, decisions=["other"]), policy("s", enforce=False)
    )
    assert verdict.policies == ("risk/p@17", "risk/q@17")


def test_the_message_of_the_rule_is_shown() -> None:
    assert judged(policy("p", FALSE)).message == "fails must hold"
    assert judged(policy("p", ERROR)).message == "it broke"
    assert judged().message == "no Enforce policy covers decisions of type block-url"


def test_what_audit_policies_would_deny_is_listed_and_decides_nothing() -> None:
    verdict = judged(policy("p", TRUE), policy("strict", TRUE, FALSE, ERROR, enforce=False))
    assert verdict.effect is Effect.ALLOW
    assert verdict.would_deny == (
        Finding(Effect.DENY, VerdictReason.RULE_NOT_SATISFIED, "risk/strict@17", "strict/fails", "fails must hold"),
        Finding(Effect.DENY, VerdictReason.RULE_ERROR, "risk/strict@17", "strict/breaks", "it broke"),
    )


def test_s09_a_verdict_says_of_which_policy_its_rule_is() -> None:
    found = judged(policy("p", TRUE), replace(policy("q", ERROR), namespace="streamwarden"), policy("q", TRUE))
    assert (found.rule, found.policy) == ("q/breaks", "streamwarden/q@17")
    assert judged(policy("p", TRUE)).policy == ""


def lame(one: BoundPolicy, *kinds: str) -> BoundPolicy:
    return replace(one, not_applicable=frozenset(kinds))


NOT_APPLICABLE = "rules of {} do not fit decisions of type block-url: the conditions of the Policy say why"


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "singly"])
def test_x01_a_policy_that_is_not_applicable_denies_whatever_its_rules_say(*, fused: bool) -> None:
    policies = lame(policy("p", TRUE), "block-url"), policy("q", FALSE), lame(policy("r"), "block-url", "other")
    given = PolicySet(policies, fused={"block-url": (policies, Says(True))} if fused else {})
    assert judge(given, "block-url", {}) == Verdict(
        Effect.DENY,
        VerdictReason.POLICY_NOT_APPLICABLE,
        message=NOT_APPLICABLE.format("risk/p@17, risk/r@17"),
        policies=("risk/p@17", "risk/q@17", "risk/r@17"),
    )


def test_it_takes_no_other_type_from_the_policy() -> None:
    assert judged(lame(policy("p", TRUE), "other")).effect is Effect.ALLOW
    assert judged(lame(policy("p", FALSE), "other")).rule == "p/fails"


def test_it_covers_nothing_of_another_type() -> None:
    assert judged(lame(policy("p", TRUE, decisions=["other"]), "block-url")).reason is VerdictReason.NO_POLICY


def test_an_audit_policy_that_is_not_applicable_only_says_so() -> None:
    verdict = judged(policy("p", TRUE), lame(policy("strict", FALSE, ERROR, enforce=False), "block-url"))
    assert verdict.effect is Effect.ALLOW
    assert verdict.would_deny == (
        Finding(
            Effect.DENY,
            VerdictReason.POLICY_NOT_APPLICABLE,
            "risk/strict@17",
            "",
            NOT_APPLICABLE.format("risk/strict@17"),
        ),
    )


def test_a_message_names_eight_policies_and_counts_the_others() -> None:
    message = judged(*(lame(policy(f"p{number}"), "block-url") for number in range(10))).message
    assert message.startswith("rules of risk/p0@17, ")
    assert "risk/p7@17 and 2 more do not fit" in message


def test_what_no_rule_can_be_asked_of_is_denied_under_the_names_of_those_that_cover() -> None:
    policies = PolicySet(
        (policy("p"), policy("q", decisions=OTHER)), (policy("a", enforce=False), policy("b", decisions=OTHER))
    )
    found = deny(policies, "block-url", VerdictReason.RULE_ERROR, "why")
    audited = Finding(Effect.DENY, VerdictReason.RULE_ERROR, "risk/a@17", "", "why")
    assert found == Verdict(Effect.DENY, VerdictReason.RULE_ERROR, None, "why", ("risk/p@17",), (audited,))


def test_what_audit_policies_would_deny_is_listed_without_a_cover_too() -> None:
    verdict = judged(policy("strict", FALSE, enforce=False))
    assert (verdict.effect, verdict.reason) == (Effect.DENY, VerdictReason.NO_POLICY)
    assert [finding.rule for finding in verdict.would_deny] == ["strict/fails"]


rules = st.builds(
    BoundRule,
    st.sampled_from(["a", "b", "c"]),
    st.builds(Says, st.sampled_from([True, False, None])),
    st.sampled_from(Effect),
)
policies_of_rules = st.builds(
    BoundPolicy,
    st.just("risk"),
    st.sampled_from(["p", "q", "r"]),
    st.just(1),
    st.sampled_from([frozenset[str](), frozenset({"block-url"}), frozenset({"other"})]),
    st.booleans(),
    st.lists(rules, max_size=3),
)


@given(st.lists(policies_of_rules, max_size=4).flatmap(lambda some: st.tuples(st.just(some), st.permutations(some))))
def test_the_order_of_policies_never_changes_the_effect(both: tuple[list[BoundPolicy], list[BoundPolicy]]) -> None:
    one, other = (judged(*policies) for policies in both)
    assert one.effect is other.effect
    assert sorted(one.policies) == sorted(other.policies)
    assert sorted(one.would_deny, key=repr) == sorted(other.would_deny, key=repr)


@given(st.lists(policies_of_rules, max_size=4))
def test_an_audit_policy_changes_no_effect(policies: list[BoundPolicy]) -> None:
    with_audit = judged(*policies)
    without = judged(*(policy for policy in policies if policy.enforce))
    assert (with_audit.effect, with_audit.rule, with_audit.policies) == (without.effect, without.rule, without.policies)


@given(st.lists(policies_of_rules, max_size=4))
def test_only_what_is_true_everywhere_is_allowed_by_its_rules(policies: list[BoundPolicy]) -> None:
    covering = [one for one in policies if one.enforce and one.covers("block-url")]
    verdict = judged(*policies)
    holds = all(rule.require.evaluate({}) is True for one in covering for rule in one.rules)
    assert (verdict.reason is VerdictReason.RULES_HOLD) == (bool(covering) and holds)


class Unasked:
    """An expression that nobody is to evaluate."""

    def evaluate(self, facts: object) -> bool | str:
        raise AssertionError(facts)


UNASKED = BoundRule("unasked", Unasked(), Effect.DENY)


def test_a_conjunction_that_holds_is_one_evaluation_in_place_of_many() -> None:
    one = policy("p", UNASKED)
    policies = PolicySet(enforcing=(one,), fused={"block-url": ((one,), Says(True))})
    assert judge(policies, "block-url", {}) == Verdict(Effect.ALLOW, VerdictReason.RULES_HOLD, policies=("risk/p@17",))


def test_the_rules_of_a_policy_that_holds_as_a_whole_are_not_asked_singly() -> None:
    whole = replace(policy("strict", UNASKED, enforce=False), all_rules=Says(True))
    assert judged(policy("p", TRUE), whole).would_deny == ()


@pytest.mark.parametrize("fused", [Says(False), Says(None)], ids=["false", "an-error"])
def test_a_conjunction_that_is_not_true_only_makes_the_rules_be_asked(fused: Says) -> None:
    one = policy("p", TRUE)
    policies = PolicySet(enforcing=(one,), fused={"block-url": ((one,), fused)})
    assert judge(policies, "block-url", {}).reason is VerdictReason.RULES_HOLD


def test_a_decision_type_without_a_fused_set_is_judged_by_the_policies_that_cover_it() -> None:
    one = policy("p", FALSE)
    policies = PolicySet(enforcing=(one,), fused={"other": ((), None)})
    assert judge(policies, "block-url", {}).rule == "p/fails"
