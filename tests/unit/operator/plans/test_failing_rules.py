"""What is known of failing rules, from what gates say and what was known before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from streamwarden_contract.acks import RuleErrors
from streamwarden_contract.models.policy import FailingRule, PolicyRef
from streamwarden_operator.plans.failing_rules import FORGOTTEN_AFTER, Failing, Said, said_to_fail, still_failing
from support.older_gates import BASE, binding, gate, written

NOW = datetime(2026, 3, 1, tzinfo=UTC)
AGO = NOW - timedelta(minutes=20)


def rule(name: str, at_least: int = 1, gates: int = 1) -> FailingRule:
    return FailingRule(name=name, at_least=at_least, gates=gates, message="no such key: x")


KNOWN = Failing((rule("a", 100, 3), rule("b")), {"b": AGO})


@pytest.mark.parametrize(
    ("known", "said", "expected"),
    [
        pytest.param(Failing(), Said((rule("b"), rule("c", 10)), judged=True), ("c", "b"), id="new-ones-worst-first"),
        pytest.param(KNOWN, Said((), judged=False), ("a", "b"), id="nobody-judges-and-nothing-is-known-of-now"),
        pytest.param(KNOWN, Said((), judged=True), ("a", "b"), id="it-is-quiet-and-not-for-long"),
        pytest.param(KNOWN, Said((rule("b", 1000),), judged=True), ("b", "a"), id="one-speaks-and-the-other-is-quiet"),
        pytest.param(
            Failing(KNOWN.rules, {"b": NOW - FORGOTTEN_AFTER}),
            Said((), judged=True),
            ("a",),
            id="it-has-been-quiet-for-so-long",
        ),
        pytest.param(
            Failing(KNOWN.rules, {"b": NOW - FORGOTTEN_AFTER}),
            Said((), judged=False),
            ("a", "b"),
            id="time-without-gates-does-not-count",
        ),
    ],
)
def test_rules_that_are_known_to_fail(known: Failing, said: Said, expected: tuple[str, ...]) -> None:
    assert tuple(found.name for found in still_failing(known, said, NOW).rules) == expected


def test_counts_are_those_of_the_gates_that_speak_now_and_else_the_last_ones() -> None:
    found = still_failing(KNOWN, Said((rule("b", 10, 2),), judged=True), NOW)
    assert found.rules == (rule("a", 100, 3), rule("b", 10, 2))


@pytest.mark.parametrize(
    ("said", "quiet_since", "forgets_after"),
    [
        pytest.param(Said((), judged=True), {"a": NOW, "b": AGO}, timedelta(minutes=40), id="all-are-quiet"),
        pytest.param(Said((rule("b"),), judged=True), {"a": NOW}, timedelta(minutes=60), id="one-speaks"),
        pytest.param(Said((), judged=False), {}, None, id="nobody-judges"),
    ],
)
def test_quiet_is_counted_from_when_gates_judge_without_an_error(
    said: Said, quiet_since: dict[str, datetime], forgets_after: timedelta | None
) -> None:
    found = still_failing(KNOWN, said, NOW)
    assert (found.quiet_since, found.forgets_after(NOW)) == (quiet_since, forgets_after)


def minutes(count: float) -> datetime:
    return NOW + timedelta(minutes=count)


SILENT = Said((), judged=True)
OLDER = Said((rule("a"),), judged=True)
"""A gate that does not say when."""


def erred(at: datetime, *, judged: bool = True) -> Said:
    return Said((rule("a"),), judged, {"a": at})


@pytest.mark.parametrize(
    ("looks", "forgotten_at"),
    [
        pytest.param([(0, erred(NOW)), (61, erred(NOW)), (61.1, SILENT)], 61.1, id="a-gate-that-runs-knows-best"),
        pytest.param([(5, erred(NOW)), (20, SILENT)], 60, id="its-gate-has-ended-and-another-judges"),
        pytest.param([(5, erred(NOW)), (9, erred(minutes(8))), (20, SILENT)], 68, id="it-erred-again"),
        pytest.param([(9, erred(minutes(8))), (10, erred(NOW)), (20, SILENT)], 68, id="the-one-that-met-it-last-ended"),
        pytest.param([(5, erred(NOW)), (20, SILENT), (30, erred(minutes(28))), (31, SILENT)], 88, id="after-silence"),
        pytest.param([(5, erred(minutes(30))), (20, SILENT)], 65, id="a-clock-that-is-ahead"),
        pytest.param([(5, OLDER), (20, SILENT)], 80, id="a-gate-that-does-not-say-when"),
        pytest.param([(5, erred(NOW)), (6, OLDER), (20, SILENT)], 80, id="the-next-does-not-say-when"),
        pytest.param([(5, erred(NOW)), (20, Said((), judged=False)), (500, SILENT)], 560, id="at-zero-no-time-passes"),
        pytest.param([(5, erred(NOW, judged=False)), (20, SILENT)], 80, id="nobody-judged-when-it-was-said"),
    ],
)
def test_an_error_is_forgotten_an_hour_after_it_happened(looks: list[tuple[float, Said]], forgotten_at: float) -> None:
    known = Failing()
    for at, said in looks:
        known = still_failing(known, said, minutes(at))
    last, end = looks[-1][0], minutes(forgotten_at)
    assert bool(known.rules) == (last < forgotten_at)
    if known.rules:
        assert known.forgets_after(minutes(last)) == timedelta(minutes=forgotten_at - last)
        assert still_failing(known, SILENT, end - timedelta(seconds=1)).rules
    assert not still_failing(known, SILENT, end).rules


def test_a_rule_that_is_named_still_asks_for_no_look_however_long_ago_it_erred() -> None:
    found = still_failing(Failing(), erred(minutes(-70)), NOW)
    assert (found.rules, found.forgets_after(NOW)) == ((rule("a"),), None)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param((1_000, 3_000, 2_000), {"r": datetime.fromtimestamp(3, UTC)}, id="the-newest-of-all-gates"),
        pytest.param((1_000, None), {}, id="one-does-not-say"),
    ],
)
def test_when_a_rule_erred_last_is_what_all_gates_say(
    times: tuple[int | None, ...], expected: dict[str, datetime]
) -> None:
    state = written(replace(BASE, bindings={"guard": binding()}))
    ref = PolicyRef(namespace="risk", name="strict", revision=state.policies["strict"].revision)
    acks = [
        gate(f"pod-{number}").model_copy(
            update={"rule_errors": (RuleErrors(policy=ref, rule="r", at_least=1, last_error_at_ms=at),)}
        )
        for number, at in enumerate(times)
    ]
    said = said_to_fail(state, acks, ref)
    assert (said.rules[0].gates, said.erred_at) == (len(times), expected)


@pytest.mark.parametrize(
    ("state", "names_it", "judged"),
    [
        pytest.param("InForce", True, True, id="in-force"),
        pytest.param("Rejected", True, True, id="a-newer-set-is-refused-or-a-partition-is-halted"),
        pytest.param("Rejected", False, False, id="all-sets-are-refused"),
        pytest.param("InForce", False, False, id="another-revision"),
        pytest.param("Starting", True, False, id="it-begins"),
        pytest.param("Stale", True, False, id="it-may-be-outdated"),
        pytest.param("Stopped", True, False, id="it-has-ended"),
    ],
)
def test_a_gate_judges_by_the_revision_that_it_names_while_it_has_policies(
    state: str, *, names_it: bool, judged: bool
) -> None:
    log = written(replace(BASE, bindings={"guard": binding()}))
    ref = PolicyRef(namespace="risk", name="strict", revision=log.policies["strict"].revision)
    ack = gate("pod").model_copy(update={"state": state, "policies": (ref,) if names_it else ()})
    assert said_to_fail(log, [ack], ref).judged is judged
