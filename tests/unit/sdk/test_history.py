"""The past is read from its first offset to its end, whatever stands there, and no further."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition
from streamwarden.core.records import Partition
from streamwarden.runtime import history
from streamwarden.runtime.history import KafkaHistory
from streamwarden_kafka import positions
from streamwarden_kafka.connection import Connection
from support.sdk_served import offsets_of

if TYPE_CHECKING:
    from collections.abc import Sequence

A, B = Partition("pages", 0), Partition("pages", 1)


class Log:
    """A consumer that returns what it is told, poll by poll.

    Attributes:
        ends: of each partition, as the leader tells it; None where it does not answer.
        known: where they end as far as the consumer knows from what it fetched: far behind, unless a test says it.
    """

    def __init__(self) -> None:
        self.assigned: list[tuple[str, int, int]] = []
        self.polls: list[list[Message]] = []
        self.ends: dict[int, int | None] = {}
        self.known: dict[int, int] = {}
        self.closed = False

    def assign(self, places: Sequence[TopicPartition]) -> None:
        self.assigned = [(place.topic, place.partition, place.offset) for place in places]

    def consume(self, _most: int, _timeout_s: float) -> list[Message]:
        return self.polls.pop(0) if self.polls else []

    def get_watermark_offsets(
        self, place: TopicPartition, _timeout_s: float = 0, *, cached: bool = False
    ) -> tuple[int, int]:
        if cached:
            return 0, self.known.get(place.partition, 1_000)
        end = self.ends[place.partition]
        if end is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return 0, end

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    made = Log()
    monkeypatch.setattr(history, "open_input", lambda _kafka, _group: made)
    monkeypatch.setattr(positions, "find_batches", lambda _kafka, _group: lambda _at, offset: (offset, offset + 1))
    return made


def past(ranges: dict[Partition, tuple[int, int]]) -> KafkaHistory:
    return KafkaHistory(Connection(""), "group", ranges)


def record(at: Partition, offset: int) -> Message:
    return Message(topic=at.topic, partition=at.number, offset=offset, value=b"{}", timestamp=(1, 0))


def end(at: Partition, offset: int) -> Message:
    error = KafkaError(KafkaError._PARTITION_EOF)
    return Message(topic=at.topic, partition=at.number, offset=offset, error=error)


def garbled(at: Partition) -> Message:
    return Message(topic=at.topic, partition=at.number, error=KafkaError(KafkaError._BAD_COMPRESSION))


def poll(reading: KafkaHistory) -> list[int]:
    return offsets_of(reading.poll(records=10, timeout_s=0))


def test_partitions_are_read_from_their_first_offsets(log: Log) -> None:
    past({A: (3, 5), B: (0, 2)})
    assert log.assigned == [("pages", 0, 3), ("pages", 1, OFFSET_BEGINNING)]


def test_a_range_ends_with_its_last_record(log: Log) -> None:
    reading = past({A: (0, 2)})
    log.polls = [[record(A, 0)], [record(A, 1)]]
    assert (poll(reading), reading.finished) == ([0], False)
    assert (poll(reading), reading.finished) == ([1], True)
    reading.close()
    assert log.closed


def test_a_record_behind_the_range_ends_it_and_is_not_handed_in(log: Log) -> None:
    reading = past({A: (0, 3), B: (0, 1)})
    log.polls = [[record(A, 0), record(A, 3), record(A, 4), record(B, 0)], [record(A, 5), record(B, 1)]]
    assert (poll(reading), reading.finished) == ([0, 0], True)
    assert poll(reading) == []


def test_an_end_behind_markers_ends_a_range(log: Log) -> None:
    reading = past({A: (0, 3)})
    log.polls = [[record(A, 0), end(A, 3)]]
    assert (poll(reading), reading.finished) == ([0], True)


def test_a_range_that_reaches_beyond_its_log_ends_with_it(log: Log) -> None:
    reading = past({A: (0, 9), B: (0, 1)})
    log.polls, log.ends = [[record(A, 0), end(A, 1)]], {0: 1}
    assert (poll(reading), reading.finished) == ([0], False)
    log.polls = [[record(B, 0)]]
    assert (poll(reading), reading.finished) == ([0], True)


def test_an_end_that_the_leader_does_not_confirm_is_waited_out(log: Log) -> None:
    reading = past({A: (0, 3)})
    log.polls, log.ends = [[record(A, 0), end(A, 1)]], {0: None}
    assert (poll(reading), reading.finished) == ([0], False)
    log.ends = {0: 4}
    assert (poll(reading), reading.finished) == ([], False)
    log.polls = [[record(A, 1), record(A, 2)]]
    assert (poll(reading), reading.finished) == ([1, 2], True)


def test_a_leader_that_did_not_answer_is_asked_again(log: Log) -> None:
    reading = past({A: (0, 3)})
    log.polls, log.ends = [[end(A, 1)]], {0: None}
    assert (poll(reading), reading.finished) == ([], False)
    log.ends = {0: 1}
    assert (poll(reading), reading.finished) == ([], True)


def test_an_end_of_which_no_broker_says_where_it_is_ends_no_range(log: Log) -> None:
    reading = past({A: (0, 3)})
    log.polls, log.ends = [[record(A, 0), end(A, 1)]], {0: -1001}
    assert (poll(reading), reading.finished) == ([0], False)
    log.polls, log.ends = [[record(A, 1), record(A, 2)]], {0: 3}
    assert (poll(reading), reading.finished) == ([1, 2], True)


def test_what_cannot_be_read_is_passed_over_and_the_past_goes_on_behind_it(log: Log) -> None:
    reading = past({A: (0, 5), B: (2, 4)})
    log.polls, log.ends = [[record(A, 0), garbled(A), record(B, 2)]], {0: 5}
    assert (poll(reading), reading.finished) == ([0, 2], False)
    assert log.assigned == [("pages", 0, 3), ("pages", 1, 3)]
    log.polls = [[record(B, 3), record(A, 3), garbled(A)]]
    assert (poll(reading), reading.finished) == ([3, 3], True)


def test_an_offset_that_a_record_cannot_have_does_not_end_a_range(log: Log) -> None:
    reading = past({A: (0, 5)})
    log.polls, log.ends, log.known = [[record(A, 0), record(A, 99), record(A, 100)]], {0: 5}, {0: 5}
    assert (poll(reading), reading.finished) == ([0], False)
    assert log.assigned == [("pages", 0, 3)]
