"""The past: partitions read again from an earlier offset."""

from contextlib import suppress

import structlog
from confluent_kafka import TopicPartition
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.membership import ask_watermarks, end_of
from typing_extensions import override

from streamwarden.core.records import Partition, Record
from streamwarden.runtime.consumers import Collected, open_input
from streamwarden.runtime.passing import Passing
from streamwarden.runtime.ports import History, Ranges

_WATERMARKS_S = 2.0
"""Longest wait for the end of a log."""


class KafkaHistory(History):
    """Reads our partitions again from an earlier offset, outside the group."""

    def __init__(self, kafka: Connection, group: str, ranges: Ranges) -> None:
        """Begin to read.

        Args:
            kafka: the Kafka, and the agent's user.
            group: the agent's; librdkafka wants one, and nothing is committed for it.
            ranges: for each partition the first offset, and the one before which to end. What retention has removed is
                passed over; a range that reaches beyond its log ends with it.
        """
        self._until = {at: end for at, (_, end) in ranges.items()}
        self._short: set[Partition] = set()
        """Of these an end was reached before that of their range."""
        self._consumer = open_input(kafka, group)
        self._passing = Passing.of(kafka, group, self._consumer, lambda at: ask_watermarks(self._consumer, at)[0])
        self._passing.start({at: start or None for at, (start, _) in ranges.items()})
        self._read_on()

    @property
    @override
    def finished(self) -> bool:
        return not self._until

    @override
    def poll(self, *, records: int, timeout_s: float) -> tuple[Record, ...]:
        collected = Collected(end_of=lambda at, offset: end_of(self._consumer, at, offset))
        messages = self._consumer.consume(records, timeout_s)
        for message in messages:
            collected.add(message)
        self._passing.listen(collected, drained=len(messages) < records)
        passed = self._passing.follow(collected)
        if collected.unreadable or collected.doubted:
            self._read_on()
        wanted = [each for each in collected.records if each.offset < self._until.get(each.at, 0)]
        reached = [(each.at, each.offset + 1) for each in collected.records] + collected.ends
        reached += [(each.at, each.last + 1) for each in passed]
        for at, offset in reached:
            # A record after the range ends it too: what lies before may be markers only. What cannot be read was told
            # when it was new, and no handler has seen it.
            if offset >= self._until.get(at, offset + 1):
                del self._until[at]
        self._short.update(at for at, _ in collected.ends)
        self._drop_short()
        return tuple(wanted)

    def _read_on(self) -> None:
        positions = self._passing.positions
        self._consumer.assign([TopicPartition(*at, offset) for at, offset in positions.items()])

    def _drop_short(self) -> None:
        """End the ranges that reach beyond the end of their log, as after an election that lost records.

        The end that was reached tells it not by itself: a new leader may not show all of its log yet.
        """
        for at in self._short & self._until.keys():
            with suppress(BrokerUnavailableError):
                _, end = ask_watermarks(self._consumer, at, _WATERMARKS_S)
                self._short.discard(at)
                if end < self._until[at]:
                    del self._until[at]
                    log = structlog.get_logger()
                    log.warning("The log ends before what is committed", topic=at.topic, partition=at.number, end=end)

    @override
    def close(self) -> None:
        self._consumer.close()
