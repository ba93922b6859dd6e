"""Records that kill the process, on a Kafka in memory: each process is a new loop over what is committed and noted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.audit import ChainHead
from streamwarden_gate.alone import Acts, Alone
from streamwarden_gate.careful import Careful
from streamwarden_gate.judge import Judge
from streamwarden_gate.note import Doing
from streamwarden_gate.partitions import Partition, Place
from streamwarden_gate.ports import Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_kafka.deaths import MOST_SKIPPED
from support.gate_fakes import DiedError
from support.gate_log import TOPIC_ID
from support.gate_memory_loop import World
from support.gate_processes import DeadlyWorld

if TYPE_CHECKING:
    from streamwarden_gate.outcome import Outcome
    from streamwarden_gate.ports import Item
    from streamwarden_gate.records import Record
    from support.gate_log import MemoryLog


@pytest.fixture
def world(log: MemoryLog) -> DeadlyWorld:
    return DeadlyWorld(log)


def test_x11_a_batch_that_cannot_be_decoded_is_skipped_at_once(world: DeadlyWorld) -> None:
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


def test_x07_a_batch_that_kills_who_reads_it_is_skipped_after_three_tries(world: DeadlyWorld) -> None:
    world.deadly_to_read = {(2, 1)}
    world.note.careful = True  # it died before, nobody knows of what
    world.run()
    assert world.deaths == 3
    world.check((2, 1, 1))
    assert not world.note.careful, "all is read as usual again"


def test_x07_a_record_that_kills_who_reads_it_behind_others_of_its_batch_is_skipped_after_three_tries(
    world: DeadlyWorld,
) -> None:
    world.deadly_to_copy = {(2, 2)}
    world.batch_ends = {(2, 2): 2}
    world.note.careful = True
    world.run()
    assert world.deaths == 3
    world.check((2, 2, 2))
    assert not world.note.careful


def test_f54_a_record_that_kills_who_judges_it_is_skipped_after_three_tries(
    world: DeadlyWorld, monkeypatch: pytest.MonkeyPatch
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


def test_tries_of_other_pods_count(world: DeadlyWorld) -> None:
    world.deadly_to_read = {(2, 1)}
    world.kafka.committed[2] = (0, ChainHead(tries=2).metadata(TOPIC_ID, 0))
    world.run()
    world.check((2, 1, 1))


def test_a_death_from_outside_costs_no_good_record_anything(world: DeadlyWorld) -> None:
    for _ in range(5):
        world.note.careful = True
        world.note.drop()
        world.live()
    world.check()


def test_a_good_record_that_was_in_hand_twice_is_judged(world: DeadlyWorld) -> None:
    world.kafka.committed[1] = (0, ChainHead(tries=1).metadata(TOPIC_ID, 0))
    world.note.careful = True
    world.note.take(Doing.READING, 1, 0)
    world.run()
    world.check()


def test_x07_more_than_ten_ranges_an_hour_halt(world: DeadlyWorld) -> None:
    for _ in range(MOST_SKIPPED):
        world.note.skipped(time.time())
    world.unreadable = {1: (2,)}
    world.run()
    assert [audit for audit in world.audits if audit["verdict"] == "Skipped"] == []
    said = world.reports.said[-1]
    assert (said.state, said.reason) == ("Rejected", RefusalReason.TOO_MANY_SKIPS)
    assert world.kafka.committed[1][0] == 2


@pytest.mark.parametrize(
    ("tries", "read"),
    [
        pytest.param(0, 1, id="which-cannot-be-decoded"),
        pytest.param(3, 0, id="which-has-killed-three-processes-and-is-not-read-a-fourth-time"),
    ],
)
def test_x07_one_range_too_many_halts_its_partition_and_the_others_are_read_as_usual(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch, tries: int, read: int
) -> None:
    world = World(log)
    note, reads, halts = world.note, list[int](), list[tuple[int, str]]()
    for _ in range(MOST_SKIPPED):
        note.skipped(time.time())
    note.careful = True

    def receive_alone(number: int, _position: int, _reading: object) -> list[Item]:
        reads.append(number)
        return [Unreadable(number, RefusalReason.UNREADABLE_PARTITION, "cannot be decoded")]

    monkeypatch.setattr(world.membership, "receive_alone", receive_alone)
    acts = Acts(
        judge=lambda *_: True,
        commit=lambda *_: None,
        halt=lambda number, why, _s: halts.append((number, why.reason)),
    )
    alone = Alone(world.membership, Careful(note), note, acts)
    partition = Partition(1, Place(0, ChainHead(tries=tries), TOPIC_ID))
    assert not alone.step({1: partition}, Judge(log.build(), "pod-0"))
    assert (len(reads), halts) == (read, [(1, RefusalReason.TOO_MANY_SKIPS)])
    assert not note.careful
