"""What is known of failing rules, from what gates say and what was known before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from streamwarden_contract.models.policy import FailingRule
from streamwarden_operator.plans.failing_rules import FORGOTTEN_AFTER, Failing, Said, still_failing

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
