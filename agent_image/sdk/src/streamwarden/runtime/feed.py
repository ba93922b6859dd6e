"""The consumer: brings records and knows which partitions are ours."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Thread
from typing import TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from streamwarden_kafka.codes import error_of
from streamwarden_kafka.connection import Connection
from typing_extensions import override

from streamwarden.core.records import Partition
from streamwarden.runtime.consumers import Collected, open_input
from streamwarden.runtime.errors import KafkaUnavailableError
from streamwarden.runtime.ports import Feed, Polled

_T = TypeVar("_T")
_CHUNK = 50
_REQUEST_TIMEOUT_S = 10.0
_MOST_UNANSWERED = 2
"""Requests in a row without an answer before the consumer is replaced."""


class KafkaFeed(Feed):
    """The agent's member of its consumer group.

    Attributes:
        assigned: the partitions that are ours.
    """

    def __init__(self, kafka: Connection, group: str, topics: Sequence[str]) -> None:
        self._generation = 0
        self.assigned: frozenset[Partition] = frozenset()
        self._kafka = kafka
        self._group = group
        self._topics = list(topics)
        self._unanswered = 0
        self._consumer = self._join()

    @property
    @override
    def generation(self) -> int:
        return self._generation

    def _join(self) -> Consumer:
        consumer = open_input(self._kafka, self._group)
        consumer.subscribe(self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke)
        return consumer

    def _rejoin(self) -> None:
        """Go on with a new consumer.

        One that has lost its group's coordinator, as when a broker was killed, may never find it again: every request
        for committed offsets times out though the broker answers others (librdkafka 2.16).
        """
        old, self._consumer = self._consumer, self._join()
        self.assigned = frozenset()
        self._generation += 1
        self._unanswered = 0
        Thread(target=old.close, name="old-consumer", daemon=True).start()  # it may hang, too

    @override
    def poll(self, *, records: int, size: int, timeout_s: float) -> Polled:
        generation = self.generation
        first = self._consumer.poll(timeout_s)
        if first is None or generation != self.generation:
            return Polled()
        collected = Collected()
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

    @override
    def hold(self) -> None:
        self._consumer.pause(_plain(self.assigned))
        self._consumer.poll(0)  # what it might bring is dropped: start() goes by our own positions

    @override
    def start(self, positions: Mapping[Partition, int | None]) -> None:
        wanted = [
            TopicPartition(at.topic, at.number, OFFSET_BEGINNING if offset is None else offset)
            for at, offset in positions.items()
        ]
        self._consumer.assign(wanted)
        self._consumer.resume(wanted)

    @override
    def committed(self) -> dict[Partition, int | None]:
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

    @override
    def commit(self, positions: Mapping[Partition, int]) -> None:
        offsets = [TopicPartition(at.topic, at.number, offset) for at, offset in positions.items()]
        answers = _ask(lambda: self._consumer.commit(offsets=offsets, asynchronous=False))
        for answer in answers:
            if answer.error is not None:
                raise KafkaUnavailableError(answer.error.name())

    @override
    def metadata(self) -> object:
        return self._consumer.consumer_group_metadata()

    @override
    def close(self) -> None:
        self._consumer.close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Nothing is fetched before start() says from where.
        consumer.assign(partitions)
        consumer.pause(partitions)
        self.assigned = frozenset(Partition(p.topic, p.partition) for p in partitions)
        self._generation += 1

    def _on_revoke(self, consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        if consumer is not self._consumer:
            return  # it was replaced, and is being closed in another thread
        self.assigned = frozenset()
        self._generation += 1


def _plain(partitions: Iterable[Partition]) -> list[TopicPartition]:
    return [TopicPartition(at.topic, at.number) for at in partitions]


def _ask(request: Callable[[], _T]) -> _T:
    try:
        return request()
    except KafkaException as error:
        raise KafkaUnavailableError(error_of(error).name()) from error
