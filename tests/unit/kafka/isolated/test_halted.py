"""A consumer with a partition that is halted: all others are read as usual, by one process."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from confluent_kafka import TopicPartition
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.deaths import MOST_DEATHS, MOST_SKIPPED
from streamwarden_kafka.isolated import consumer
from streamwarden_kafka.isolated.consumer import IsolatedConsumer
from streamwarden_kafka.isolated.rows import Answer, Row, Taken

if TYPE_CHECKING:
    from collections.abc import Collection

    from streamwarden_kafka.records import Partition

IN = [("in", number) for number in range(4)]
DEADLY = IN[0]


class Clock:
    def __init__(self) -> None:
        self.s = 0.0

    def monotonic(self) -> float:
        return self.s


class Processes:
    """Those that were started, one after another; each dies of reading the deadly partition."""

    def __init__(self) -> None:
        self.started = 0
        self.paused: Collection[Partition] = ()

    def start(self, _module: str, _opening: tuple[object, ...]) -> Process:
        self.started += 1
        return Process(self)


class Process:
    """One that has a record in every partition at any offset."""

    def __init__(self, all_of_them: Processes) -> None:
        self.answered = True
        self._all = all_of_them
        self._positions: dict[Partition, int] = {}

    def ask(self, name: str, arguments: tuple[Any, ...]) -> Answer:
        if name == "assign":
            self._positions = dict(arguments[0])
        elif name in {"pause", "resume"}:
            assert not set(arguments[0]) - self._positions.keys(), "librdkafka does not know them"
        elif DEADLY in self._positions:
            raise EOFError
        elif self._positions:
            at = min(self._positions, key=lambda each: self._positions[each])
            offset = self._positions[at]
            self._positions[at] += 1
            row = Row(*at, offset, None, b"{}", (), (1, 0), None)
            return Answer(Taken([row], {at: offset + 1_000}), None, ())
        return Answer(Taken([], {}) if name == "take" else None, None, ())

    def end(self) -> int:
        return -6


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(consumer, "time", clock)
    return clock


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Processes:
    processes = Processes()
    monkeypatch.setattr(consumer, "Child", processes.start)
    return processes


def halted(monkeypatch: pytest.MonkeyPatch) -> IsolatedConsumer:
    """Return one that has read until the first partition was halted."""
    reader = IsolatedConsumer(Connection.of({"bootstrap.servers": "nowhere"}), "group", "test", {})
    reader.assign(TopicPartition(*at, 0) for at in IN)
    monkeypatch.setattr("streamwarden_kafka.isolated.suspects.MOST_SKIPPED", 0)  # as after so many within the hour
    with structlog.testing.capture_logs() as lines:
        while not any("not passed over" in line["event"] for line in lines):
            reader.take(1, math.inf, 0)
    died = [line for line in lines if "has died" in line["event"]]
    assert [line.get("partition") for line in died] == [None, *[0] * MOST_DEATHS]
    assert [line["most"] for line in lines if "most" in line] == [MOST_SKIPPED]
    return reader


@pytest.mark.usefixtures("clock")
def test_while_a_partition_is_halted_one_process_reads_all_others(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = halted(monkeypatch)
    before = processes.started
    found = [message.partition() for _ in range(301) for message in reader.take(1, math.inf, 0)]
    assert len(found) == 300, "one take ends the reading one by one"
    assert {number: found.count(number) > 50 for number in range(4)} == {0: False, 1: True, 2: True, 3: True}
    assert processes.started == before + 1
    reader.pause([TopicPartition(*at) for at in IN[:2]])
    reader.resume([TopicPartition(*at) for at in IN[:2]])
    reader.assign(TopicPartition(*at, 7) if at != DEADLY else TopicPartition(*at, 0) for at in IN)
    assert [message.offset() for message in reader.take(1, math.inf, 0)] == [7]
    assert processes.started == before + 1
    assert not reader.cannot_parse(TopicPartition(*DEADLY, 0), 0)


@pytest.mark.usefixtures("processes")
def test_who_was_halted_is_looked_at_again_after_a_minute_without_another_death(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = halted(monkeypatch)
    reader.take(1, math.inf, 0)
    clock.s += 60
    with structlog.testing.capture_logs() as lines:
        assert reader.take(1, math.inf, 0) == []
    assert [(line["event"], line["partition"]) for line in lines] == [
        ("A batch is not passed over: too many were within an hour", 0)
    ]
    monkeypatch.setattr("streamwarden_kafka.isolated.suspects.MOST_SKIPPED", MOST_SKIPPED)  # the hour is over
    reader.take(1, math.inf, 0)
    clock.s += 60
    [told] = reader.take(1, math.inf, 0)
    assert told.error() is not None
    assert told.partition() == 0
