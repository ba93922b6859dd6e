"""Which requested ranges reach the binding: those that are written and not judged yet, of the topic that is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from streamwarden_contract.models.skip import SkipRequest
from streamwarden_contract.policylog import SkipRange
from streamwarden_operator.plans.skips import SkipPlan, plan_skips
from streamwarden_operator.ports import PartitionOffsets, Topic

DECISIONS = Topic("risk.guard.decisions", 2, topic_id="an-id")
OBSERVED = [PartitionOffsets(0, 0, 9, 5), PartitionOffsets(1, 0, 3, None)]


def fields(partition: int, first: int, last: int, topic_id: str = "an-id") -> dict[str, Any]:
    return {
        "topic_id": topic_id,
        "partition": partition,
        "from_offset": first,
        "to_offset": last,
        "reason": "a broken library wrote it",
        "requested_by": "ada",
    }


@pytest.mark.parametrize(
    ("request_", "wanted", "refused"),
    [
        pytest.param(fields(0, 5, 8), True, "", id="up-to-the-last-record"),
        pytest.param(fields(0, 7, 7), True, "", id="further-on"),
        pytest.param(fields(0, 2, 5), True, "", id="judged-in-part"),
        pytest.param(fields(1, 0, 2), True, "", id="of-a-partition-that-was-never-judged"),
        pytest.param(fields(0, 2, 4), False, "", id="done"),
        pytest.param(
            fields(0, 5, 9),
            False,
            "partition 0, 5 to 9 goes beyond the end of the partition: only what is written is skipped",
            id="beyond-the-end",
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
    ranges = (SkipRange(**request_),) if wanted else ()
    plan = plan_skips([SkipRequest(**request_)], DECISIONS, OBSERVED)
    assert (plan.wanted, plan.refused) == (ranges, refused)


@pytest.mark.parametrize(
    "partition", [pytest.param(0, id="beyond-the-end"), pytest.param(1, id="in-a-partition-to-come")]
)
def test_what_came_too_early_stays_refused_when_the_partition_has_come_so_far(partition: int) -> None:
    request = SkipRequest(**fields(partition, 5, 9))
    before = plan_skips([request], replace(DECISIONS, partitions=1), OBSERVED[:1])
    assert (before.wanted, len(before.too_early)) == ((), 1)
    observed = [PartitionOffsets(each, 0, 20, 5) for each in (0, 1)]
    after = plan_skips([request], DECISIONS, observed, before.too_early)
    said = (
        f"partition {partition}, 5 to 9 was asked for before so much was written, and stays refused: "
        "look at what is there now, and edit it (another reason is enough)"
    )
    assert after == SkipPlan((), said, before.too_early)


def test_what_came_too_early_and_was_edited_is_wanted() -> None:
    early = SkipRequest(**fields(0, 5, 9))
    before = plan_skips([early], DECISIONS, OBSERVED)
    edited = early.model_copy(update={"reason": "seen now"})
    after = plan_skips([edited], DECISIONS, [PartitionOffsets(0, 0, 20, 5)], before.too_early)
    assert (len(after.wanted), after.refused, after.too_early) == (1, "", ())


def test_nothing_is_said_of_what_came_too_early_once_the_gate_is_behind_it() -> None:
    early = SkipRequest(**fields(0, 5, 9))
    before = plan_skips([early], DECISIONS, OBSERVED)
    after = plan_skips([early], DECISIONS, [PartitionOffsets(0, 0, 20, 10)], before.too_early)
    assert after == SkipPlan((), "", before.too_early)


def test_all_that_is_refused_is_said() -> None:
    plan = plan_skips([SkipRequest(**fields(0, 5, 9)), SkipRequest(**fields(0, 6, 6))], DECISIONS, OBSERVED)
    assert (len(plan.wanted), plan.refused.count("partition 0")) == (1, 1)
    plan = plan_skips([SkipRequest(**fields(0, 5, 9)), SkipRequest(**fields(5, 6, 6))], DECISIONS, OBSERVED)
    assert plan.refused.count("; ") == 1
