"""Records that kill the process, on a Kafka in memory: each process is a new loop over what is committed and noted."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.audit import ChainHead, parse_metadata
from streamwarden_gate.judge import Judge
from streamwarden_gate.loop import GateLoop
from streamwarden_gate.note import MAX_SKIPS, Doing, Note
from streamwarden_gate.ports import Links
from streamwarden_gate.reasons import RefusalReason
from support.gate_chains import check_chains
from support.gate_fakes import (
    DiedError,
    FakeCommitter,
    FakeMembership,
    FakePolicies,
    FakeReports,
    MemoryKafka,
    NoWait,
)
from support.gate_log import NAMESPACE, PARTITIONS, TOPIC_ID, MemoryLog, decision, headers, record

if TYPE_CHECKING:
    from streamwarden_gate.outcome import Outcome
    from streamwarden_gate.records import Record

AUDIT = f"{NAMESPACE}.streamwarden.audit"
STEPS = 60
COUNT = 12


class World:
    """Decisions by number, a supervisor's note, and one process after another."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.kafka = MemoryKafka(
            {number: [] for number in range(PARTITIONS)},
            {number: (0, ChainHead().metadata(TOPIC_ID, 0)) for number in range(PARTITIONS)},
        )
        self.note = Note()
        self.unreadable: dict[int, tuple[int, ...]] = {}
        self.deadly_to_read: set[tuple[int, int]] = set()
        self.batch_ends: dict[tuple[int, int], int] = {}
        self.deaths = 0
        self.reports = FakeReports()
        log.write_all()
        for number in range(COUNT):
            entity = f"page-{number}"
            own = self.kafka.log[record(b"", key=entity.encode()).partition]
            own.append(
                record(decision(entity).encode(), key=entity.encode(), headers_=headers(entity), offset=len(own))
            )

    def live(self) -> GateLoop:
        """Run one process until it has nothing left to do, or dies."""
        membership = FakeMembership(self.kafka)
        membership.unreadable, membership.deadly_to_read = self.unreadable, self.deadly_to_read
        membership.batch_ends = self.batch_ends
        policies = FakePolicies()
        policies.offer(self.log.build())
        links = Links(membership, FakeCommitter(self.kafka, membership), policies, self.reports, self.note)
        loop = GateLoop(links, pod="pod-0", max_batch=100, stop=NoWait(), max_staleness_s=30)
        membership.assign(*range(PARTITIONS))
        for _ in range(STEPS):
            loop.step()
        return loop

    def run(self) -> None:
        """Do what the supervisor does: start anew after each death, and keep of the note what is certain."""
        while True:
            try:
                self.live()
            except DiedError:
                self.deaths += 1
                assert self.deaths < 20
                if not self.note.careful:
                    self.note.drop()
                self.note.careful = True
            else:
                return

    @property
    def audits(self) -> list[dict[str, Any]]:
        return [json.loads(write.value or b"") for write in self.kafka.written if write.topic == AUDIT]

    def check(self, *skipped: tuple[int, int, int]) -> None:
        """All others were judged once; these ranges (partition, first, last offset) are audited; chains are whole."""
        ranges, judged = [], set()
        for audit in self.audits:
            at = audit["decision"]
            if audit["verdict"] == "Skipped":
                ranges.append((at["partition"], at["offset"], at["lastOffset"]))
                continue
            assert "lastOffset" not in at
            assert (at["partition"], at["offset"]) not in judged
            judged.add((at["partition"], at["offset"]))
        everything = {(number, offset) for number, own in self.kafka.log.items() for offset in range(len(own))}
        gone = {(number, offset) for number, first, last in skipped for offset in range(first, last + 1)}
        assert sorted(ranges) == sorted(skipped)
        assert judged == everything - gone
        heads = {
            number: parse_metadata(metadata, topic_id=TOPIC_ID, offset=offset)
            for number, (offset, metadata) in self.kafka.committed.items()
        }
        check_chains([(w.key, w.value) for w in self.kafka.written if w.topic == AUDIT], heads)
        assert [head.tries for head in heads.values()] == [0] * PARTITIONS
        assert {n: offset for n, (offset, _) in self.kafka.committed.items()} == {
            n: len(own) for n, own in self.kafka.log.items()
        }


@pytest.fixture
def world(log: MemoryLog) -> World:
    return World(log)


def test_x11_a_batch_that_cannot_be_decoded_is_skipped_at_once(world: World) -> None:
    world.unreadable = {1: (2,)}
    world.batch_ends = {(1, 2): 3}
    world.run()
    assert world.deaths == 0
    world.check((1, 2, 3))
    [told] = [audit for audit in world.audits if audit["verdict"] == "Skipped"]
    assert (told["reason"], told["message"], told["command"]) == ("Skipped", "cannot be decoded", None)
    said = world.reports.said[-1]
    assert (said.state, said.reason) == ("InForce", "RecordsSkipped")
    assert "decision partition 1: offsets 2 to 3 skipped" in said.message


def test_x07_a_batch_that_kills_who_reads_it_is_skipped_after_three_tries(world: World) -> None:
    world.deadly_to_read = {(2, 1)}
    world.note.careful = True  # it died before, nobody knows of what
    world.run()
    assert world.deaths == 3
    world.check((2, 1, 1))
    assert not world.note.careful, "all is read as usual again"


def test_f54_a_record_that_kills_who_judges_it_is_skipped_after_three_tries(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Judge.judge

    def die(self: Judge, given: Record, *arguments: Any) -> Outcome:
        if (given.partition, given.offset) == (0, 1):
            raise DiedError
        return judge(self, given, *arguments)

    monkeypatch.setattr(Judge, "judge", die)
    world.note.careful = True
    world.run()
    assert world.deaths == 3
    world.check((0, 1, 1))
    [told] = [audit for audit in world.audits if audit["verdict"] == "Skipped"]
    bad = world.kafka.log[0][1]
    assert bad is not None
    assert told["message"] == "3 processes died of it"


def test_tries_of_other_pods_count(world: World) -> None:
    world.deadly_to_read = {(2, 1)}
    world.kafka.committed[2] = (0, ChainHead(tries=2).metadata(TOPIC_ID, 0))
    world.run()
    world.check((2, 1, 1))


def test_a_death_from_outside_costs_no_good_record_anything(world: World) -> None:
    for _ in range(5):
        world.note.careful = True
        world.note.drop()
        world.live()
    world.check()


def test_a_good_record_that_was_in_hand_twice_is_judged(world: World) -> None:
    world.kafka.committed[1] = (0, ChainHead(tries=1).metadata(TOPIC_ID, 0))
    world.note.careful = True
    world.note.take(Doing.READING, 1, 0)
    world.run()
    world.check()


def test_x07_more_than_ten_ranges_an_hour_halt(world: World) -> None:
    for _ in range(MAX_SKIPS):
        world.note.skipped(time.time())
    world.unreadable = {1: (2,)}
    world.run()
    assert [audit for audit in world.audits if audit["verdict"] == "Skipped"] == []
    said = world.reports.said[-1]
    assert (said.state, said.reason) == ("Rejected", RefusalReason.TOO_MANY_SKIPS)
    assert world.kafka.committed[1][0] == 2
