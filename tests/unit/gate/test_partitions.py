from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.audit import ChainHead
from streamwarden_gate.partitions import Partition, Place, advance_epochs, place_of
from streamwarden_gate.policy_topic import Refusal
from streamwarden_gate.reasons import RefusalReason
from support.gate_log import TOPIC_ID

if TYPE_CHECKING:
    from support.gate_log import MemoryLog

HEAD = ChainHead(3, "cd" * 32, 1, 1)
NEWER, NEWER_GUARDRAIL = (
    ChainHead(namespace_epoch=2, guardrail_epoch=1),
    ChainHead(namespace_epoch=1, guardrail_epoch=2),
)


@pytest.mark.parametrize(
    ("offset", "metadata", "reason"),
    [
        pytest.param(-1001, "", RefusalReason.OFFSETS_LOST, id="no-committed-offset"),
        pytest.param(4, "", RefusalReason.CHAIN_LOST, id="no-metadata"),
        pytest.param(4, None, RefusalReason.CHAIN_LOST, id="metadata-of-none"),
        pytest.param(4, "3;0;0;0;0", RefusalReason.CHAIN_LOST, id="another-format"),
        pytest.param(4, HEAD.metadata(TOPIC_ID, 4) + " ", RefusalReason.CHAIN_LOST, id="garbled-metadata"),
        pytest.param(4, HEAD.metadata(TOPIC_ID, 5), RefusalReason.CHAIN_LOST, id="the-metadata-of-another-offset"),
        pytest.param(4, HEAD.metadata("before", 4), RefusalReason.CHAIN_LOST, id="the-metadata-of-an-earlier-topic"),
        pytest.param(4, NEWER.metadata(TOPIC_ID, 4), RefusalReason.ROLLED_BACK, id="a-newer-namespace-epoch"),
        pytest.param(4, NEWER_GUARDRAIL.metadata(TOPIC_ID, 4), RefusalReason.ROLLED_BACK, id="a-newer-guardrail-epoch"),
    ],
)
def test_a_partition_is_not_judged(log: MemoryLog, offset: int, metadata: str | None, reason: RefusalReason) -> None:
    log.write_all()
    place = place_of(1, offset, metadata, log.build())
    assert isinstance(place, Refusal)
    assert place.reason is reason


def test_a_committed_offset_with_its_chain_is_where_to_go_on(log: MemoryLog) -> None:
    log.write_all()
    assert place_of(1, 4, HEAD.metadata(TOPIC_ID, 4), log.build()) == Place(4, HEAD, TOPIC_ID)


def test_a_place_of_format_1_is_taken_up_and_committed_as_format_2(log: MemoryLog) -> None:
    log.write_all()
    found = place_of(1, 4, f"1;3;{'cd' * 32};1;1", log.build())
    assert found == Place(4, HEAD, TOPIC_ID)
    assert isinstance(found, Place)
    assert found.metadata == f"2;{TOPIC_ID};4;3;{'cd' * 32};1;1;0;0"


def test_going_back_forgets_what_was_not_committed() -> None:
    partition = Partition(0, Place(4, HEAD, TOPIC_ID))
    partition.position, partition.head = 9, HEAD.after(b"x")
    assert partition.changed
    partition.rewind()
    assert (partition.position, partition.head, partition.changed) == (4, HEAD, False)


def test_new_epochs_are_something_to_commit(log: MemoryLog) -> None:
    log.write_all()
    new, old = Partition(0, Place(4, ChainHead(), TOPIC_ID)), Partition(1, Place(4, HEAD, TOPIC_ID))
    assert advance_epochs([new, old], log.build())
    assert (new.head, new.changed, old.changed) == (ChainHead(0, "0" * 64, 1, 1), True, False)
    assert not advance_epochs([new, old], log.build()), "they are under them already"
