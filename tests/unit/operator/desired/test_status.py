from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from streamwarden_contract.models import Condition
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.desired.status import (
    MAX_MESSAGE,
    build_conditions,
    condition,
    failed,
    find_condition,
    is_true,
    pending,
    set_condition,
    summarize,
    true,
)
from streamwarden_operator.errors import InvalidSpecError, KafkaUnavailableError, OperatorError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def test_a_new_condition_gets_its_time_and_generation() -> None:
    assert build_conditions((), [true("TopicReady", "3 partitions")], generation=4, now=NOON) == (
        Condition(
            type="TopicReady",
            status="True",
            reason="OK",
            message="3 partitions",
            observed_generation=4,
            last_transition_time="2026-03-01T12:00:00Z",
        ),
    )


def test_the_same_result_later_is_the_same_value() -> None:
    new = [true("TopicReady"), pending("Ready", "waits")]
    first = build_conditions((), new, generation=4, now=NOON)
    assert build_conditions(first, new, generation=4, now=LATER) == first


def test_another_message_keeps_the_time_and_another_status_does_not() -> None:
    first = build_conditions((), [true("TopicReady", "3 partitions")], generation=1, now=NOON)
    second = build_conditions(first, [true("TopicReady", "4 partitions")], generation=2, now=LATER)
    assert (second[0].message, second[0].last_transition_time) == ("4 partitions", "2026-03-01T12:00:00Z")
    third = build_conditions(second, [pending("TopicReady", "")], generation=2, now=LATER)
    assert third[0].last_transition_time == "2026-03-01T13:00:00Z"


def test_one_condition_is_replaced_in_its_place() -> None:
    before = build_conditions((), [true("A"), true("B")], generation=1, now=NOON)
    after = set_condition(before, pending("A", "waits"), generation=1, now=LATER)
    assert [(part.type, part.status) for part in after] == [("A", "Unknown"), ("B", "True")]
    assert [part.type for part in set_condition(after, true("C"), generation=1, now=LATER)] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        pytest.param(KafkaUnavailableError("no answer"), "Unknown", "KafkaUnavailable", id="an-outage-is-unknown"),
        pytest.param(InvalidSpecError("no such key"), "False", "InvalidSpec", id="a-bad-spec-is-false"),
    ],
)
def test_an_error_is_a_condition(error: OperatorError, status: str, reason: str) -> None:
    found = failed("TopicReady", error)
    assert (found.status, found.reason, found.message) == (status, reason, str(error))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([true("A"), true("B")], ("True", "OK", ""), id="all-true"),
        pytest.param([], ("True", "OK", ""), id="nothing-to-hold"),
        pytest.param(
            [true("A"), pending("B", "waits")], ("Unknown", "Pending", "B: waits"), id="unknown-counts-before-true"
        ),
        pytest.param(
            [pending("A", "waits"), condition("B", "False", ConditionReason.INVALID_CONFIG, "bad"), pending("C", "")],
            ("False", "InvalidConfig", "B: bad"),
            id="false-counts-before-unknown",
        ),
    ],
)
def test_ready_tells_the_worst_of_its_parts(parts: list[Condition], expected: tuple[str, str, str]) -> None:
    ready = summarize(parts)
    assert (ready.type, (ready.status, ready.reason, ready.message)) == ("Ready", expected)


@pytest.mark.parametrize(
    "reason", [ConditionReason.COVERS_NOTHING, ConditionReason.NO_RULES, ConditionReason.NOT_COVERED]
)
def test_x49_ready_says_what_is_hardly_meant_though_it_holds(reason: ConditionReason) -> None:
    accepted = condition("Accepted", "True", reason, "it has no effect")
    assert summarize([accepted, true("RolledOut", "all")]) == true("Ready", "Accepted: it has no effect")
    assert summarize([accepted, pending("RolledOut", "waits")]).message == "RolledOut: waits"


def test_a_condition_that_is_not_there_does_not_hold() -> None:
    assert not is_true([pending("A", "")], "A")
    assert not is_true([], "A")
    assert is_true([true("A")], "A")
    assert find_condition([true("A")], "B") is None


def test_long_messages_are_cut() -> None:
    message = condition("A", "False", ConditionReason.INVALID_SCHEMA, "x" * 5000).message
    assert len(message) == MAX_MESSAGE
    assert message.endswith(" …")
