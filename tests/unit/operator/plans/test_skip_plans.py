"""Which requested ranges reach the binding: those that were seen and are not judged yet, of the topic that is there."""

from __future__ import annotations

from typing import Any

import pytest
from streamwarden_contract.models.skip import SkipRequest
from streamwarden_contract.policylog import SkipRange
from streamwarden_operator.plans.skips import SkipPlan, plan_skips
from streamwarden_operator.ports import PartitionOffsets, Topic

DECISIONS = Topic("risk.guard.decisions", 2, topic_id="an-id")
MORE_THAN_WRITTEN = (
    "is more than was written (toOffset is below seenEndOffset, and that at most the partition's end): "
    "only what is written is skipped"
)
OBSERVED = [PartitionOffsets(0, 0, 9, 5), PartitionOffsets(1, 0, 3, None)]


def fields(
    partition: int, first: int, last: int, topic_id: str = "an-id", *, seen_end: int | None = None
) -> dict[str, Any]:
    return {
        "topic_id": topic_id,
        "partition": partition,
        "from_offset": first,
        "to_offset": last,
        "seen_end_offset": last + 1 if seen_end is None else seen_end,
        "reason": "a broken library wrote it",
        "requested_by": "ada",
    }


def range_of(request_: dict[str, Any]) -> SkipRange:
    return SkipRange(**{name: value for name, value in request_.items() if name != "seen_end_offset"})


@pytest.mark.parametrize(
    ("request_", "wanted", "refused"),
    [
        pytest.param(fields(0, 5, 8), True, "", id="up-to-the-last-record"),
        pytest.param(fields(0, 7, 7), True, "", id="further-on"),
        pytest.param(fields(0, 2, 5), True, "", id="judged-in-part"),
        pytest.param(fields(1, 0, 2), True, "", id="of-a-partition-that-was-never-judged"),
        pytest.param(fields(0, 2, 4), False, "", id="done"),
        pytest.param(
            fields(0, 5, 8, seen_end=8),
            False,
            f"partition 0, 5 to 8 {MORE_THAN_WRITTEN}",
            id="beyond-the-end-that-was-seen",
        ),
        pytest.param(
            fields(0, 5, 8, seen_end=10),
            False,
            f"partition 0, 5 to 8 {MORE_THAN_WRITTEN}",
            id="of-an-end-that-cannot-have-been-seen",
        ),
        pytest.param(
            fields(2, 0, 0),
            False,
            "partition 2, 0 to 0: the topic has 2 partitions",
            id="of-a-partition-that-is-not-there",
        ),
        pytest.param(
            fields(0, 5, 5, "another"),
            False,
            "partition 0, 5 to 5 is of the topic id another; it is an-id now: take it out",
            id="F18-of-a-topic-that-was-made-again",
        ),
    ],
)
def test_a_request_is_wanted_refused_or_done(request_: dict[str, Any], wanted: bool, refused: str) -> None:  # noqa: FBT001
    ranges = (range_of(request_),) if wanted else ()
    plan = plan_skips([SkipRequest(**request_)], DECISIONS, OBSERVED)
    assert (plan.wanted, plan.refused) == (ranges, refused)


@pytest.mark.parametrize("end", [9, 10, 20, 1000])
def test_what_came_too_early_stays_refused_in_the_same_words_however_much_is_written(end: int) -> None:
    request = SkipRequest(**fields(0, 5, 9, seen_end=9))
    plan = plan_skips([request], DECISIONS, [PartitionOffsets(0, 0, end, 5)])
    assert plan == SkipPlan((), f"partition 0, 5 to 9 {MORE_THAN_WRITTEN}")


def test_what_came_too_early_and_is_asked_for_anew_is_wanted() -> None:
    plan = plan_skips([SkipRequest(**fields(0, 5, 9, seen_end=20))], DECISIONS, [PartitionOffsets(0, 0, 20, 5)])
    assert (len(plan.wanted), plan.refused) == (1, "")


def test_nothing_is_said_of_what_came_too_early_once_the_gate_is_behind_it() -> None:
    early = SkipRequest(**fields(0, 5, 9, seen_end=9))
    assert plan_skips([early], DECISIONS, [PartitionOffsets(0, 0, 20, 10)]) == SkipPlan()


def test_all_that_is_refused_is_said() -> None:
    plan = plan_skips([SkipRequest(**fields(0, 5, 9)), SkipRequest(**fields(0, 6, 6))], DECISIONS, OBSERVED)
    assert (len(plan.wanted), plan.refused.count("partition 0")) == (1, 1)
    plan = plan_skips([SkipRequest(**fields(0, 5, 9)), SkipRequest(**fields(5, 6, 6))], DECISIONS, OBSERVED)
    assert plan.refused.count("; ") == 1
