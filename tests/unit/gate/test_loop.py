"""The gate's loop on a Kafka in memory: nothing lost, nothing twice, whatever a transaction or the group does."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.audit import ChainHead, parse_metadata
from streamwarden_gate import loop
from streamwarden_gate.errors import FatalError, FencedError
from streamwarden_gate.loop import GateLoop
from streamwarden_gate.ports import End, Links, Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_kafka.records import TopicFacts
from support import gate_fakes
from support.gate_chains import check_chains
from support.gate_fakes import FakeCommitter, FakeMembership, FakePolicies, FakeReports, MemoryKafka, NoWait
from support.gate_log import AGENT, FACTS, NAMESPACE, PARTITIONS, TOPIC_ID, MemoryLog, decision, headers, record
from support.policy_log import binding_record, epoch_record, policy_record, policy_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamwarden_gate.partitions import Place
    from streamwarden_kafka.records import Write

AUDIT = f"{NAMESPACE}.streamwarden.audit"


class World:
    """A loop, and what it stands between; decisions are written and judged by number."""

    def __init__(self, log: MemoryLog, *, max_batch: int = 100) -> None:
        self.log = log
        self.kafka = MemoryKafka(
            {number: [] for number in range(PARTITIONS)},
            {number: (0, ChainHead().metadata(TOPIC_ID, 0)) for number in range(PARTITIONS)},
        )
        self.membership = FakeMembership(self.kafka)
        self.committer = FakeCommitter(self.kafka, self.membership)
        self.policies, self.reports = FakePolicies(), FakeReports()
        links = Links(self.membership, self.committer, self.policies, self.reports)
        self.stop = NoWait()
        self.loop = GateLoop(links, pod="pod-0", max_batch=max_batch, stop=self.stop, max_staleness_s=30)
        log.write_all()
        self.policies.offer(log.build())
        self.membership.assign(*range(PARTITIONS))

    def write(self, *numbers: int) -> None:
        for number in numbers:
            entity = f"page-{number}"
            partition = record(b"", key=entity.encode()).partition
            own = self.kafka.log[partition]
            given = headers(entity)
            own.append(record(decision(entity).encode(), key=entity.encode(), headers_=given, offset=len(own)))

    def write_marker(self, number: int) -> None:
        """End a transaction of the agent, in the partition of this decision."""
        self.kafka.log[record(b"", key=f"page-{number}".encode()).partition].append(None)

    def steps(self, count: int = 4) -> None:
        for _ in range(count):
            self.loop.step()

    @property
    def judged(self) -> list[str]:
        """Entities of the audit records, in the order they were written."""
        return [audit["decision"]["entity"] for audit in self.audits]

    @property
    def audits(self) -> list[dict[str, Any]]:
        return [json.loads(write.value or b"") for write in self.kafka.written if write.topic == AUDIT]

    def check(self, *numbers: int) -> None:
        """Each decision has one audit record and one command, its chain is whole, and its place is committed."""
        expected = sorted(f"page-{number}" for number in numbers)
        assert sorted(self.judged) == expected
        assert sorted((w.key or b"").decode() for w in self.kafka.written if w.topic == "risk.commands") == expected
        self.check_places()

    def check_places(self) -> None:
        """All chains are whole, and everything that was written is committed."""
        committed = self.kafka.committed
        check_chains(
            [(write.key, write.value) for write in self.kafka.written if write.topic == AUDIT],
            {
                number: parse_metadata(metadata, topic_id=TOPIC_ID, offset=offset)
                for number, (offset, metadata) in committed.items()
            },
        )
        assert {number: offset for number, (offset, _) in committed.items()} == {
            number: len(own) for number, own in self.kafka.log.items()
        }

    def place_of(self, number: int) -> tuple[int, int]:
        """Return partition and offset of a decision."""
        partition = record(b"", key=f"page-{number}".encode()).partition
        keys = [each.key if each else None for each in self.kafka.log[partition]]
        return partition, keys.index(f"page-{number}".encode())


@pytest.fixture
def world(log: MemoryLog) -> World:
    return World(log)


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


def test_the_end_of_a_quiet_partition_is_committed(world: World) -> None:
    world.steps()
    world.membership.extra = [End(0, 4)]  # four markers, no record
    world.steps(3)
    assert world.kafka.committed[0][0] == 4


class Clock:
    """What the loop takes for the time, in seconds."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(loop, "time", made)
    return made


def test_between_decisions_the_end_of_a_partition_costs_no_transaction(world: World, clock: Clock) -> None:
    world.steps()
    before = len(world.kafka.transactions)
    for _ in range(10):
        world.write(1)
        world.steps(1)
        world.write_marker(1)
        clock.now += 0.05
        world.steps(2)
    assert [writes for writes, _ in world.kafka.transactions[before:]] == [2] * 10


def test_an_end_that_was_reached_after_the_last_decision_waits_until_it_is_quiet(world: World, clock: Clock) -> None:
    world.write(1)
    world.steps(2)
    world.write_marker(1)
    world.steps(3)
    number = record(b"", key=b"page-1").partition
    assert world.kafka.committed[number][0] == 1
    clock.now += 0.1
    world.steps(3)
    assert world.kafka.committed[number][0] == 2
    assert [writes for writes, _ in world.kafka.transactions] == [0, 2, 0], "epochs, the decision, the end"


def test_an_idle_gate_commits_nothing(world: World, clock: Clock) -> None:
    world.steps()
    before = len(world.kafka.transactions)
    for _ in range(50):
        clock.now += 1
        world.steps(1)
    assert len(world.kafka.transactions) == before


def test_a_gate_that_is_told_to_stop_leaves_no_lag(world: World, clock: Clock) -> None:
    assert clock.now
    world.write(1)
    world.steps(2)
    world.write_marker(1)
    world.steps(2)
    world.stop.set()
    world.loop.run()
    assert world.kafka.committed[record(b"", key=b"page-1").partition][0] == 2


def test_a_last_commit_that_fails_is_no_failure_of_the_gate(world: World, clock: Clock) -> None:
    assert clock.now
    world.write(1)
    world.steps(2)
    world.write_marker(1)
    world.steps(2)
    world.kafka.endings = [gate_fakes.unknown_and_lost]
    world.stop.set()
    world.loop.run()
    assert world.membership.closed


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


def stale(world: World, seconds: float = 31) -> None:
    world.policies.proven_at_s = time.monotonic() - seconds


def test_x03_by_policies_that_may_be_outdated_nothing_is_judged(world: World) -> None:
    world.write(0, 1)
    world.steps()
    stale(world)
    world.write(2, 3)
    world.steps()
    assert sorted(world.judged) == ["page-0", "page-1"]
    assert (world.reports.said[-1].state, world.reports.said[-1].reason) == ("Stale", RefusalReason.STALE)
    assert world.reports.said[-1].policies == ()


def test_x03_it_goes_on_where_it_stopped_once_they_are_proven(world: World) -> None:
    world.write(0, 1)
    world.steps()
    stale(world)
    world.write(2, 3)
    world.steps()
    world.policies.proven_at_s = time.monotonic()
    world.write(4)
    world.steps()
    world.check(*range(5))
    assert world.reports.said[-1].state == "InForce"


def test_x03_a_proof_that_is_almost_too_old_is_one(world: World) -> None:
    stale(world, 20)
    world.write(0)
    world.steps()
    world.check(0)


def test_a_gate_that_has_no_policies_yet_is_starting_not_stale(log: MemoryLog) -> None:
    world = World(log)
    world.policies.offer(None)
    stale(world, 1_000)
    world.steps()
    assert {report.state for report in world.reports.said} == {"Starting"}


COMMANDS, DEAD_LETTERS = "risk.commands", f"{NAMESPACE}.streamwarden.dlq"


def concerns(write: Write, number: int, *topics: str) -> bool:
    return write.topic in topics and f"page-{number}".encode() in ((write.key or b"") + (write.value or b""))


def test_x04_a_batch_that_is_too_large_is_split_until_it_fits(world: World) -> None:
    world.steps(1)
    world.write(*range(100))
    world.kafka.usual = gate_fakes.refused_where(lambda writes: sum(w.topic == COMMANDS for w in writes) > 3)
    world.steps(100)
    world.check(*range(100))


@pytest.mark.parametrize(
    ("refused", "written"),
    [
        pytest.param({COMMANDS}, {AUDIT, DEAD_LETTERS}, id="a-refused-command-is-a-dead-letter"),
        pytest.param({COMMANDS, DEAD_LETTERS}, {AUDIT}, id="where-that-is-refused-too-it-is-audited-alone"),
    ],
)
def test_x04_what_is_refused_for_itself_stops_nothing_beside_it(
    world: World, refused: set[str], written: set[str]
) -> None:
    world.steps(1)
    world.write(*range(40))
    world.kafka.usual = gate_fakes.refused_where(lambda writes: any(w.topic in refused and is_7(w) for w in writes))
    world.steps(100)
    partition, offset = world.place_of(7)
    dead = [audit for audit in world.audits if audit["verdict"] != "Allow"]
    assert [(one["verdict"], one["deadLetter"], one["message"]) for one in dead] == [
        ("DeadLetter", "RefusedByBroker", "too large")
    ]
    assert (dead[0]["decision"]["partition"], dead[0]["decision"]["offset"]) == (partition, offset)
    assert {write.topic for write in world.kafka.written if write.topic != COMMANDS} == written
    assert sum(write.topic == COMMANDS for write in world.kafka.written) == 39
    world.check_places()


def is_7(write: Write) -> bool:
    return write.key == b"page-7"


def test_x04_where_not_even_an_audit_record_is_taken_nothing_is_committed_and_others_go_on(world: World) -> None:
    world.steps(1)
    world.write(*range(40))
    stopped, offset = world.place_of(7)

    def is_audit_of_7(write: Write) -> bool:
        place = json.loads(write.value or b"")["decision"] if write.topic == AUDIT else {}
        return (place.get("partition"), place.get("offset")) == (stopped, offset)

    world.kafka.usual = gate_fakes.refused_where(lambda writes: any(map(is_audit_of_7, writes)))
    world.steps(100)
    ends = {number: len(own) for number, own in world.kafka.log.items()} | {stopped: offset}
    assert {number: place[0] for number, place in world.kafka.committed.items()} == ends
    assert (world.reports.said[-1].state, world.reports.said[-1].reason) == ("Rejected", RefusalReason.TARGET_REFUSED)


def test_where_a_target_refuses_the_gate_its_partition_waits_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a right that spreads late: no good decision is skipped or a dead letter."""
    monkeypatch.setattr(loop, "_TARGET_RETRY_S", 0)
    world.steps(1)
    world.write(*range(40))
    world.kafka.usual = gate_fakes.refused_where(lambda writes: any(map(is_7, writes)), for_itself=False)
    world.steps(60)
    assert "page-7" not in world.judged
    world.kafka.usual = None
    world.steps(60)
    world.check(*range(40))
    assert world.reports.said[-1].state == "InForce"


def test_x09_a_newer_set_is_taken_over_between_batches_of_bounded_time(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_MAX_BATCH_S", 0)  # as if judging one decision took so long
    world = World(log)
    world.steps(1)
    world.write(*range(30))

    def publish(kafka: MemoryKafka, writes: Sequence[Write], places: Mapping[int, Place]) -> None:
        kafka.commit(writes, places)
        strict = policy_record(NAMESPACE, "confident", policy_spec("false"), revision=2, epoch=2)
        binding = binding_record(NAMESPACE, AGENT, [strict], log.targets, revision=2, epoch=2)
        assert log.write(strict, binding, epoch_record(2, revision_counter=2)) is None
        world.policies.offer(log.build())

    world.kafka.endings = [publish]
    world.steps(20)
    verdicts = [audit["verdict"] for audit in world.audits]
    assert len(verdicts) == 30
    assert verdicts.count("Allow") <= 2, "what was judged while the newer set was published"
    assert set(verdicts[2:]) == {"Deny"}
