"""The consumer: brings records and knows which partitions are ours. Used from one thread only."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import TypeVar

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from streamwarden_kafka.clients import open_consumer
from streamwarden_kafka.codes import END_OF_PARTITION, error_of
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.records import headers_of

from streamwarden.core.records import Partition, Record
from streamwarden.runtime.errors import KafkaUnavailableError, RuntimeFaultError

_T = TypeVar("_T")
_CHUNK = 50
_REQUEST_TIMEOUT_S = 10.0
_MOST_UNANSWERED = 2
"""Requests in a row without an answer before the consumer is replaced."""

_SETTINGS: dict[str, object] = {
    "auto.offset.reset": "earliest",
    "enable.partition.eof": True,
    # Eager: a rebalance takes every partition back, so no batch is ever in flight across one.
    "partition.assignment.strategy": "range,roundrobin",
    # The least that brokers allow: the partitions of a killed agent wait that long for their next one.
    "session.timeout.ms": 6_000,
    "heartbeat.interval.ms": 1_500,
    # A batch is polled around (see hold), so this only ends a process that hangs.
    "max.poll.interval.ms": 300_000,
    "queued.max.messages.kbytes": 32_768,
    "fetch.wait.max.ms": 100,
}


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought: records, and partitions whose end was reached, with the offset of that end."""

    records: tuple[Record, ...] = ()
    ends: tuple[tuple[Partition, int], ...] = ()


class Feed:
    """The agent's member of its consumer group.

    Attributes:
        generation: grows with each rebalance. What was polled under an older one belongs to somebody else now.
        assigned: the partitions that are ours.
    """

    def __init__(self, kafka: Connection, group: str, topics: Sequence[str]) -> None:
        self.generation = 0
        self.assigned: frozenset[Partition] = frozenset()
        self._kafka = kafka
        self._group = group
        self._topics = list(topics)
        self._unanswered = 0
        self._consumer = self._join()

    def _join(self) -> Consumer:
        consumer = _open(self._kafka, self._group)
        consumer.subscribe(self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke)
        return consumer

    def _rejoin(self) -> None:
        """Go on with a new consumer.

        One that has lost its group's coordinator, as when a broker was killed, may never find it again: every request
        for committed offsets times out though the broker answers others (librdkafka 2.16).
        """
        old, self._consumer = self._consumer, self._join()
        self.assigned = frozenset()
        self.generation += 1
        self._unanswered = 0
        Thread(target=old.close, name="old-consumer", daemon=True).start()  # it may hang, too

    def poll(self, *, records: int, size: int, timeout_s: float) -> Polled:
        """Wait for something, then take what is there besides, up to so many records and about so many bytes."""
        generation = self.generation
        first = self._consumer.poll(timeout_s)
        if first is None or generation != self.generation:
            return Polled()
        collected = _Collected()
        collected.add(first)
        while len(collected.records) < records and collected.size < size:
            more = self._consumer.consume(min(_CHUNK, records - len(collected.records)), 0)
            if generation != self.generation:
                return Polled()  # they are fetched again by whom they belong to now
            if not more:
                break
            for message in more:
                collected.add(message)
        return Polled(tuple(collected.records), tuple(collected.ends))

    def hold(self) -> None:
        """Stay in the group while a batch takes long: take part in rebalances, fetch nothing. ``start`` ends it."""
        self._consumer.pause(_plain(self.assigned))
        self._consumer.poll(0)  # what it might bring is dropped: start() goes by our own positions

    def start(self, positions: Mapping[Partition, int | None]) -> None:
        """Fetch from these positions; None is the beginning."""
        wanted = [
            TopicPartition(at.topic, at.number, OFFSET_BEGINNING if offset is None else offset)
            for at, offset in positions.items()
        ]
        self._consumer.assign(wanted)
        self._consumer.resume(wanted)

    def committed(self) -> dict[Partition, int | None]:
        """Return what the group has committed for our partitions; None where nothing.

        Raises:
            KafkaUnavailableError: no answer in time.
        """
        if not self.assigned:
            return {}
        try:
            answers = _ask(lambda: self._consumer.committed(_plain(self.assigned), timeout=_REQUEST_TIMEOUT_S))
        except KafkaUnavailableError:
            self._unanswered += 1
            if self._unanswered >= _MOST_UNANSWERED:
                self._rejoin()
            raise
        self._unanswered = 0
        for answer in answers:
            if answer.error is not None:
                raise KafkaUnavailableError(answer.error.name())
        return {Partition(a.topic, a.partition): a.offset if a.offset >= 0 else None for a in answers}

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Commit positions without any decision.

        Raises:
            KafkaUnavailableError: not committed, as by a broker that is down or when the partitions are no longer ours.
        """
        offsets = [TopicPartition(at.topic, at.number, offset) for at, offset in positions.items()]
        answers = _ask(lambda: self._consumer.commit(offsets=offsets, asynchronous=False))
        for answer in answers:
            if answer.error is not None:
                raise KafkaUnavailableError(answer.error.name())

    def metadata(self) -> object:
        """Return the group membership that a transaction's offsets are fenced with."""
        return self._consumer.consumer_group_metadata()

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Nothing is fetched before start() says from where.
        consumer.assign(partitions)
        consumer.pause(partitions)
        self.assigned = frozenset(Partition(p.topic, p.partition) for p in partitions)
        self.generation += 1

    def _on_revoke(self, consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        if consumer is not self._consumer:
            return  # it was replaced, and is being closed in another thread
        self.assigned = frozenset()
        self.generation += 1


class History:
    """Reads our partitions again from an earlier offset, outside the group."""

    def __init__(self, kafka: Connection, group: str, ranges: Mapping[Partition, tuple[int, int]]) -> None:
        """Take the records of each partition from the first offset up to, and without, the second."""
        self._until = {at: end for at, (_, end) in ranges.items()}
        self._consumer = _open(kafka, group)
        self._consumer.assign(
            [TopicPartition(at.topic, at.number, start or OFFSET_BEGINNING) for at, (start, _) in ranges.items()]
        )

    @property
    def finished(self) -> bool:
        return not self._until

    def poll(self, *, records: int, timeout_s: float) -> tuple[Record, ...]:
        """Return further records; none within the time is no end."""
        collected = _Collected()
        for message in self._consumer.consume(records, timeout_s):
            collected.add(message)
        wanted = [each for each in collected.records if each.offset < self._until.get(each.at, 0)]
        reached = [(each.at, each.offset + 1) for each in collected.records] + collected.ends
        for at, offset in reached:
            # A record after the range ends it too: what lies before may be markers only.
            if offset >= self._until.get(at, offset + 1):
                del self._until[at]
        return tuple(wanted)

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()


class _Collected:
    """Sorts what a consumer returns."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.ends: list[tuple[Partition, int]] = []
        self.size = 0

    def add(self, message: Message) -> None:
        error = message.error()
        if error is None:
            record = _record(message)
            self.records.append(record)
            self.size += record.size
        elif error.code() == END_OF_PARTITION:
            self.ends.append((Partition(message.topic() or "", message.partition() or 0), message.offset() or 0))
        elif error.fatal():
            raise RuntimeFaultError(f"the consumer cannot go on: {error.name()}")
        else:
            structlog.get_logger().warning("Kafka cannot be read for now", topic=message.topic(), code=error.name())


def _record(message: Message) -> Record:
    return Record(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple(headers_of(message)),
    )


def _plain(partitions: Iterable[Partition]) -> list[TopicPartition]:
    return [TopicPartition(at.topic, at.number) for at in partitions]


def _ask(request: Callable[[], _T]) -> _T:
    try:
        return request()
    except KafkaException as error:
        raise KafkaUnavailableError(error_of(error).name()) from error


def _open(kafka: Connection, group: str) -> Consumer:
    return open_consumer(kafka, group, ClientLog("feed"), _SETTINGS)
