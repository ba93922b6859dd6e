from __future__ import annotations

import pytest
from streamwarden_contract.audit import ChainHead
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.errors import NotReadyError
from streamwarden_operator.plans.offsets import epochs_seen, plan_offsets
from streamwarden_operator.ports import PartitionOffsets, Topic

DECISIONS = Topic("risk.guard.decisions", 10, topic_id="an-id")
NEW = ChainHead().metadata("an-id", 0)
HEAD = ChainHead(7, "ab" * 32, 3, 1)
LATER = HEAD.metadata("an-id", 7)


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        pytest.param([], {}, id="no-partitions"),
        pytest.param(
            [PartitionOffsets(0, 0, 0, None), PartitionOffsets(1, 0, 0, None)],
            {0: (0, NEW), 1: (0, NEW)},
            id="new-partitions-begin-at-zero",
        ),
        pytest.param(
            [PartitionOffsets(0, 0, 9, 7, LATER), PartitionOffsets(1, 0, 0, None)],
            {1: (0, NEW)},
            id="only-the-new-partition-gets-an-offset",
        ),
        pytest.param([PartitionOffsets(0, 0, 4, 0, NEW)], {}, id="an-unread-partition-is-left-alone"),
        pytest.param(
            [PartitionOffsets(0, 9, 9, 9, HEAD.metadata("an-id", 9))],
            {},
            id="a-partition-emptied-by-retention-is-left-alone",
        ),
        pytest.param(
            [PartitionOffsets(0, 0, 9, 7, "1;7;" + "ab" * 32 + ";3;1")], {}, id="metadata-of-format-1-is-left-alone"
        ),
    ],
)
def test_only_partitions_that_never_held_a_record_get_an_offset(
    observed: list[PartitionOffsets], expected: dict[int, tuple[int, str]]
) -> None:
    assert plan_offsets(DECISIONS, observed) == expected


@pytest.mark.parametrize(
    ("found", "message"),
    [
        pytest.param(
            PartitionOffsets(2, 0, 5, None), "partition 2 has had records and no committed offset", id="records"
        ),
        pytest.param(
            PartitionOffsets(0, 5, 5, None),
            "partition 0 has had records and no committed offset",
            id="records-that-retention-deleted",
        ),
        pytest.param(
            PartitionOffsets(0, 0, 0, 7, LATER),
            "partition 0 ends before the committed offset 7: it was made anew",
            id="F34-topic-made-anew",
        ),
        pytest.param(
            PartitionOffsets(0, 8, 9, 7, LATER),
            "partition 0 begins after the committed offset 7: decisions were deleted",
            id="decisions-deleted-unjudged",
        ),
        pytest.param(
            PartitionOffsets(0, 0, 9, 7, ""),
            "partition 0 has a committed offset without the head of its audit chain",
            id="offset-without-metadata",
        ),
        pytest.param(
            PartitionOffsets(0, 0, 9, 7, "2;0;x;0;0"),
            "partition 0 has a committed offset without the head of its audit chain",
            id="offset-with-garbled-metadata",
        ),
        pytest.param(
            PartitionOffsets(0, 0, 9, 6, LATER),
            "the audit chain beside the offset 6 is that of the offset 7",
            id="metadata-copied-beside-another-offset",
        ),
        pytest.param(
            PartitionOffsets(0, 0, 9, 7, HEAD.metadata("before", 7)),
            "the audit chain beside the offset is of the topic before; this one is an-id",
            id="metadata-of-a-topic-that-was-made-again",
        ),
    ],
)
def test_lost_offsets_are_reported_and_never_guessed(found: PartitionOffsets, message: str) -> None:
    with pytest.raises(NotReadyError) as caught:
        plan_offsets(DECISIONS, [PartitionOffsets(9, 0, 0, None), found])
    assert caught.value.reason is ConditionReason.OFFSETS_LOST
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("observed", "epochs"),
    [
        pytest.param([], (0, 0), id="no-partitions"),
        pytest.param([PartitionOffsets(0, 0, 9, 7, LATER), PartitionOffsets(1, 0, 0, None)], (3, 1), id="one-judged"),
        pytest.param(
            [
                PartitionOffsets(0, 0, 9, 7, "2;0;x;0;0"),
                PartitionOffsets(1, 0, 9, 7, HEAD.metadata("before", 7)),
                PartitionOffsets(2, 0, 9, 7, HEAD.under(namespace_epoch=4, guardrail_epoch=0).metadata("an-id", 7)),
                PartitionOffsets(3, 0, 9, 7, LATER),
            ],
            (4, 1),
            id="X83-what-cannot-be-read-hides-none-behind-it-and-each-is-the-highest-of-its-own",
        ),
    ],
)
def test_the_highest_epochs_beside_the_offsets_are_seen(
    observed: list[PartitionOffsets], epochs: tuple[int, int]
) -> None:
    assert epochs_seen(DECISIONS, observed) == epochs
