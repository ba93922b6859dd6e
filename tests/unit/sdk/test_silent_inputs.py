"""Inputs of which a client gives nothing, as it cannot parse a batch that the broker took: they stop no agent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from streamwarden.core.records import Partition, Record
from streamwarden.runtime.consumers import Collected
from streamwarden.runtime.feed import KafkaFeed
from streamwarden.runtime.history import KafkaHistory
from streamwarden.runtime.passing import Passing
from streamwarden_kafka import silence
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.positions import Look
from support.mock_broker import mock_broker
from support.raw_records import UNPARSED, Fields, RawRecord, RawWriter, batch_of, encode_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGES = Partition("pages", 0)
LIMIT_S = 30.0
GOOD = batch_of([RawRecord(b"k", b"good")])
CANNOT = "a batch cannot be parsed"


@pytest.fixture
def connection() -> Iterator[Connection]:
    """Give a broker that has a batch that nobody can parse between two good ones."""
    with mock_broker(PAGES.topic) as settings:
        with RawWriter(settings) as writer:
            for batch in (GOOD, encode_batch(UNPARSED, Fields()), GOOD):
                assert writer.write(*PAGES, batch).code == 0
        yield Connection.of(settings)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "LONGEST_S", 0.3)


def until(enough: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not enough():
        assert time.monotonic() < deadline_s


@pytest.mark.slow
def test_an_agent_reads_on_behind_what_its_client_cannot_parse(connection: Connection) -> None:
    feed, found = KafkaFeed(connection, "guard", [PAGES.topic]), list[Record]()

    def poll() -> int:
        found.extend(feed.poll(records=100, size=1_000_000, timeout_s=0.05).records)
        return len(found)

    until(lambda: poll() == 0 and feed.generation > 0)
    feed.start({PAGES: 0})
    until(lambda: poll() == 3)
    feed.close()
    read = [(each.offset, None if each.unreadable is None else (each.last, each.unreadable.why)) for each in found]
    assert read == [(0, None), (1, (1, CANNOT)), (2, None)]


@pytest.mark.slow
def test_an_agent_that_begins_before_what_its_client_cannot_parse_reads_on_though_it_waits_now_and_then(
    connection: Connection,
) -> None:
    feed, found = KafkaFeed(connection, "guard", [PAGES.topic]), list[Record]()
    until(lambda: not feed.poll(records=100, size=1_000_000, timeout_s=0.05).records and feed.generation > 0)
    feed.start({PAGES: 1})

    def poll() -> int:
        for _ in range(4):
            found.extend(feed.poll(records=100, size=1_000_000, timeout_s=0.05).records)
        if not found:
            feed.hold()
            feed.start({PAGES: 1})
        return len(found)

    until(lambda: poll() == 2)
    feed.close()
    assert [(each.offset, each.unreadable is None) for each in found] == [(1, False), (2, True)]


@pytest.mark.slow
def test_the_past_is_read_behind_it_too(connection: Connection) -> None:
    history, found = KafkaHistory(connection, "guard", {PAGES: (0, 3)}), list[Record]()

    def poll() -> bool:
        found.extend(history.poll(records=100, timeout_s=0.05))
        return history.finished

    until(poll)
    history.close()
    assert [each.offset for each in found] == [0, 2]


def end_at(offset: int) -> Callable[[tuple[str, int]], int]:
    return lambda _at: offset


def silent(
    find: Callable[[Partition, int], tuple[int, int]], *, end: int, drained: bool = True, paused: bool = False
) -> dict[Partition, str]:
    """Return what a partition is told to be that stands at 7 and was silent, if nothing next to it can be parsed."""
    passing = Passing(find, lambda _at: 0, lambda *_: True, Look(end_at(end), find))
    passing.start({PAGES: 7})
    passing._silence._heard_s = {PAGES: time.monotonic() - 1}
    collected = Collected()
    passing.listen(collected, drained=drained, paused=[PAGES] if paused else [])
    return collected.unreadable


def none_now(_at: Partition, _offset: int) -> tuple[int, int]:
    raise BrokerUnavailableError("no batch")


def test_a_silent_partition_is_looked_at_where_its_log_goes_on() -> None:
    assert silent(lambda _at, offset: (offset, offset), end=8) == {PAGES: CANNOT}
    assert silent(lambda _at, offset: (offset, offset), end=7) == {}


def test_nothing_is_wrong_with_what_lies_in_an_open_transaction_or_was_not_asked_for_or_waits_to_be_taken() -> None:
    assert silent(none_now, end=8) == {}
    assert silent(lambda _at, offset: (offset, offset), end=8, paused=True) == {}
    assert silent(lambda _at, offset: (offset, offset), end=8, drained=False) == {}


def test_it_is_asked_of_the_batch_itself_and_not_of_what_was_aborted_before_it() -> None:
    asked: list[int] = []

    def is_unparsed(_at: Partition, offset: int) -> bool:
        asked.append(offset)
        return False

    def find(_at: Partition, _offset: int) -> tuple[int, int]:
        return 30, 31

    passing = Passing(find, lambda _at: 0, is_unparsed, Look(end_at(40), find))
    passing.start({PAGES: 7})
    passing._silence._heard_s = {PAGES: time.monotonic() - 1}
    collected = Collected()
    passing.listen(collected, drained=True)
    assert (asked, collected.unreadable) == ([30], {})


def passing_of(partitions: int, look: Look[Partition]) -> Passing:
    """Return what stands at 7 in each of so many partitions, each silent for longer than the one before it."""

    def find(_at: Partition, _offset: int) -> tuple[int, int]:
        pytest.fail("a broker was waited for")

    passing = Passing(find, lambda _at: 0, lambda *_: True, look)
    passing.start({Partition("pages", number): 7 for number in range(partitions)})
    now_s = time.monotonic()
    passing._silence._heard_s = {Partition("pages", number): now_s - 1 - number for number in range(partitions)}
    return passing


def test_one_silent_partition_a_poll_is_looked_at_and_each_in_its_turn() -> None:
    asked: list[int] = []

    def find(at: Partition, _offset: int) -> tuple[int, int]:
        asked.append(at.number)
        raise BrokerUnavailableError("no leader")

    passing = passing_of(3, Look(end_at(8), find))
    after: list[list[int]] = []
    for _ in range(4):
        passing.listen(Collected(), drained=True)
        after.append(list(asked))
    assert after == [[2], [2, 1], [2, 1, 0], [2, 1, 0]]


def test_no_broker_is_asked_of_what_was_never_fetched() -> None:
    passing, collected = passing_of(1, Look(end_at(-1), none_now)), Collected()
    passing.listen(collected, drained=True)
    assert collected.unreadable == {}


def test_an_agent_that_stops_reading_again_and_again_hears_what_is_silent_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = [0.0]
    monkeypatch.setattr("streamwarden_kafka.positions.time.monotonic", lambda: now_s[0])
    monkeypatch.setattr(silence, "LONGEST_S", 20.0)
    passing = Passing(none_now, lambda _at: 0, lambda *_: True, Look(end_at(8), lambda _at, offset: (offset, offset)))
    read_s = 0
    collected = Collected()
    while not collected.unreadable:
        passing.start({PAGES: 7})
        read_s += 2
        assert read_s <= 20
        now_s[0] += 2
        passing.listen(collected, drained=True)
        passing.start({})
        now_s[0] += 30
    assert (read_s, collected.unreadable) == (20, {PAGES: CANNOT})
