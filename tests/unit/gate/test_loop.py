"""The gate's loop on a Kafka in memory: nothing lost, nothing twice, whatever a transaction or the group does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.audit import ChainHead
from streamwarden_gate.errors import FatalError, FencedError
from streamwarden_gate.ports import Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_kafka.records import TopicFacts
from support import gate_fakes
from support.gate_fakes import MemoryKafka
from support.gate_log import FACTS, PARTITIONS, TOPIC_ID, MemoryLog, record
from support.gate_memory_loop import World
from support.policy_log import binding_record, epoch_record

if TYPE_CHECKING:
    from collections.abc import Callable


def test_what_is_written_is_judged_once_and_its_place_committed(world: World) -> None:
    world.write(*range(20))
    world.steps()
    world.check(*range(20))


def test_batches_are_bounded(log: MemoryLog) -> None:
    world = World(log, max_batch=2)
    world.write(*range(12))
    world.steps(8)
    world.check(*range(12))
    assert max(count for count, _ in world.kafka.transactions) == 4, "two decisions, each a command and an audit record"


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(gate_fakes.aborted, id="aborted"),
        pytest.param(gate_fakes.unknown_though_committed, id="unknown-and-committed"),
        pytest.param(gate_fakes.unknown_and_lost, id="unknown-and-lost"),
    ],
)
@pytest.mark.parametrize("after", [0, 1, 2], ids=lambda after: f"after-{after}-good-ones")
def test_a_transaction_that_fails_loses_and_repeats_nothing(
    log: MemoryLog, ending: Callable[..., None], after: int
) -> None:
    world = World(log, max_batch=2)
    world.steps(1)
    world.write(*range(12))
    world.kafka.endings = [MemoryKafka.commit] * after + [ending]
    world.steps(10)
    world.check(*range(12))


def test_after_an_unknown_outcome_a_new_producer_goes_on(world: World) -> None:
    world.steps(1)
    world.write(1)
    world.kafka.endings = [gate_fakes.unknown_and_lost]
    world.steps()
    assert world.committer.opened == 2


def test_a_process_that_is_fenced_ends_and_has_written_nothing(world: World) -> None:
    world.steps(1)
    world.write(1)
    world.kafka.endings = [gate_fakes.fenced]
    with pytest.raises(FencedError):
        world.loop.run()
    assert world.judged == []
    assert world.membership.closed


def test_what_was_polled_before_a_rebalance_is_judged_by_whom_it_belongs_to_now(world: World) -> None:
    world.steps(1)
    world.write(*range(20))
    mine = record(b"", key=b"page-1").partition
    world.membership.in_poll = [lambda: world.membership.assign(mine)]
    world.steps()
    found = {audit["decision"]["partition"] for audit in world.audits}
    assert found == {mine}
    world.membership.assign(*range(PARTITIONS))
    world.steps()
    world.check(*range(20))


def test_another_member_that_went_on_is_not_repeated(world: World) -> None:
    world.write(1)
    world.steps()
    number = record(b"", key=b"page-1").partition
    world.write(2, 3, 4, 5, 6)
    world.kafka.committed[number] = (len(world.kafka.log[number]), world.kafka.committed[number][1])
    world.membership.assign()
    world.steps(1)
    world.membership.assign(*range(PARTITIONS))
    world.steps()
    judged = [audit["decision"]["offset"] for audit in world.audits if audit["decision"]["partition"] == number]
    assert judged == [0]


def test_a_record_that_is_fetched_again_is_not_judged_again(world: World) -> None:
    world.write(*range(5))
    world.steps()
    world.membership.extra = [own[0] for own in world.kafka.log.values() if own and own[0] is not None]
    world.steps()
    world.check(*range(5))


def test_a_coordinator_that_does_not_answer_is_asked_again(world: World) -> None:
    world.membership.silent = 3
    world.write(1)
    world.steps(3)
    assert world.judged == []
    world.steps()
    world.check(1)


def test_a_new_sets_epochs_are_committed_before_its_first_verdict(world: World) -> None:
    world.steps(1)
    world.log.write(world.log.policy, world.log.schema, world.log.binding, epoch_record(2, revision_counter=2))
    world.policies.offer(world.log.build())
    world.write(1)
    world.steps(1)
    number = record(b"", key=b"page-1").partition
    first, second = world.kafka.transactions[-2:]
    assert first[0] == 0
    assert first[1][number].head.namespace_epoch == 2
    assert second[0] == 2
    assert world.audits[0]["epochs"]["namespace"] == 2


def test_nothing_is_judged_without_a_set(world: World) -> None:
    world.policies.offer(None)
    world.write(1)
    world.steps()
    assert (world.judged, world.kafka.transactions) == ([], [])
    world.policies.offer(world.log.build())
    world.steps()
    world.check(1)


@pytest.mark.parametrize("committed", [(-1001, None), (0, "garbled")], ids=["no-offset", "no-chain"])
def test_a_partition_that_must_not_be_judged_stops_no_other(world: World, committed: tuple[int, str | None]) -> None:
    halted = record(b"", key=b"page-1").partition
    world.kafka.committed[halted] = committed
    world.write(*range(20))
    world.steps()
    assert {audit["decision"]["partition"] for audit in world.audits} == set(range(PARTITIONS)) - {halted}
    assert world.reports.said[-1].state == "Rejected"


def test_records_before_what_cannot_be_read_on_are_not_written_without_their_place(world: World) -> None:
    world.steps(1)
    world.write(*range(20))
    halted = record(b"", key=b"page-1").partition
    world.membership.extra = [Unreadable(halted, RefusalReason.OFFSETS_LOST, "gone")]
    world.steps()
    assert {audit["decision"]["partition"] for audit in world.audits} == set(range(PARTITIONS)) - {halted}
    assert world.kafka.committed[halted][0] == 0
    assert world.reports.said[-1].reason == RefusalReason.OFFSETS_LOST


def test_a_decision_topic_that_is_made_again_is_judged_from_its_own_offsets_only(world: World) -> None:
    world.write(1)
    world.steps()
    number = record(b"", key=b"page-1").partition
    log, last_good = world.log, world.policies.view.active
    binding = binding_record("risk", "guard", [log.policy], log.targets, topic_id="made-again", epoch=2, revision=2)
    log.write(binding, epoch_record(2, revision_counter=2))
    facts = FACTS | {"risk.guard.decisions": TopicFacts("made-again", PARTITIONS)}
    world.policies.offer(log.snapshot.build(facts, last_good))
    world.write(1)
    world.steps()
    assert len(world.audits) == 1, "what was committed is of the topic that is gone"
    assert world.reports.said[-1].reason == RefusalReason.CHAIN_LOST
    world.kafka.log = {number: [] for number in range(PARTITIONS)}
    world.kafka.committed = {number: (0, ChainHead().metadata("made-again", 0)) for number in range(PARTITIONS)}
    world.write(1)
    world.membership.assign(*range(PARTITIONS))
    world.steps()
    assert [audit["decision"]["topicId"] for audit in world.audits] == [TOPIC_ID, "made-again"]
    assert (world.kafka.committed[number][1] or "").startswith("2;made-again;1;1;")


def test_a_gate_without_its_policy_feed_ends(world: World) -> None:
    world.policies.alive = False
    with pytest.raises(FatalError, match="policy feed"):
        world.steps(1)


def test_a_gate_that_is_told_to_stop_leaves_its_group(world: World) -> None:
    world.stop.set()
    world.loop.run()
    assert world.membership.closed
    assert [report.state for report in world.reports.said] == ["Starting"]
