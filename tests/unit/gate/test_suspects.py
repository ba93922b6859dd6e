"""A partition under suspicion that cannot be read now: the others are judged beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.audit import ChainHead
from streamwarden_gate import careful
from streamwarden_gate.careful import Careful
from streamwarden_gate.errors import AbortedError
from streamwarden_gate.note import Doing, Hand, Note
from streamwarden_gate.partitions import Partition, Place
from support.gate_log import TOPIC_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamwarden_gate.ports import Item
    from support.gate_memory_loop import World

AWAY = 2


def partition(number: int, tries: int = 0) -> Partition:
    return Partition(number, Place(0, ChainHead(tries=tries), TOPIC_ID))


@pytest.fixture
def turns() -> Careful:
    note = Note()
    note.careful = True
    return Careful(note)


def chosen(turns: Careful, partitions: list[Partition], count: int) -> list[int]:
    found = [turns.choose(partitions, 0.0) for _ in range(count)]
    return [each.number for each in found if each is not None]


def test_those_under_suspicion_come_first_and_then_in_turn(turns: Careful) -> None:
    partitions = [partition(0), partition(1, tries=1), partition(2)]
    assert chosen(turns, partitions, 9) == [1, 1, 1, 0, 2, 1, 0, 2, 1]


def test_those_that_were_read_to_their_end_have_no_turn(turns: Careful) -> None:
    turns.reached_end(0)
    assert chosen(turns, [partition(0), partition(1, tries=1), partition(2)], 6) == [1, 1, 1, 2, 1, 2]


def test_it_is_over_after_a_while_whoever_is_under_suspicion(turns: Careful, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(careful, "LONGEST_ONE_BY_ONE_S", -1.0)
    assert turns.choose([partition(1, tries=1)], 0.0) is None


def test_it_lasts_five_minutes_from_the_first_turn_and_as_long_again_after_another_death() -> None:
    note, suspect = Note(), [partition(1, tries=1)]
    turns = Careful(note)
    turns.begin()
    assert [turns.choose(suspect, now_s) is None for now_s in (1_000.0, 1_300.0, 1_300.5)] == [False, False, True]
    turns.end()
    turns.begin()
    assert turns.choose(suspect, 2_000.0) is not None


def test_who_waits_for_a_broker_while_reading_blames_no_record_for_its_end(world: World) -> None:
    world.kafka.committed[AWAY] = (0, ChainHead(tries=1).metadata(TOPIC_ID, 0))
    world.steps(5)
    asked: list[Hand] = []

    def unanswered(number: int, position: int, reading: Callable[[int], bool | None]) -> Sequence[Item]:
        assert number == AWAY
        reading(position)
        asked.append(world.note.hand)
        raise AbortedError("no answer")

    world.membership.receive_alone = unanswered  # type: ignore[method-assign]  # the same, but its broker is away
    world.steps(1)
    assert [each.doing for each in asked] == [Doing.READING]
    assert world.note.hand.doing is Doing.NOTHING


def test_a_suspect_without_a_leader_keeps_no_other_partition_from_being_judged(world: World) -> None:
    world.kafka.committed[AWAY] = (0, ChainHead(tries=1).metadata(TOPIC_ID, 0))
    receive = world.membership.receive_alone

    def without_leader(number: int, position: int, reading: Callable[[int], bool | None]) -> Sequence[Item]:
        return () if number == AWAY else receive(number, position, reading)

    world.membership.receive_alone = without_leader  # type: ignore[method-assign]  # the same, but for one partition
    world.write(*range(20))
    world.steps(60)
    ends = {number: len(own) for number, own in world.kafka.log.items()}
    assert ends[AWAY] > 0
    assert {number: at for number, (at, _) in world.kafka.committed.items()} == ends | {AWAY: 0}
