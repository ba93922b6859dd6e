"""Reads topics from their beginning on, each as soon as it exists; no record of one stops it."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping

import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition

from streamwarden_kafka.codes import DISCONNECTED, END_OF_PARTITION, OFFSETS_GONE, error_of
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError, ReaderFailedError
from streamwarden_kafka.isolated.consumer import IsolatedConsumer
from streamwarden_kafka.membership import ask_watermarks, end_of
from streamwarden_kafka.positions import LogEnds, Positions, explain_unreadable
from streamwarden_kafka.records import Partition, headers_of, memory_of

OnTrouble = Callable[[str, KafkaError], None]
"""Takes a topic, empty where it is none's, and what a client says of it that is neither a record nor its end."""

_log = structlog.get_logger(__name__)

_POLL_S = 0.1
_MOST_RECORDS, _MOST_BYTES = 500, 4 * 1024 * 1024
_METADATA_TIMEOUT_S = 5.0
_LOOK_AGAIN_S = 0.5
"""How often a topic is looked for that is not there: it may never be, and records of the others wait meanwhile."""


def _ignore(_topic: str, _error: KafkaError) -> None:
    """Where nobody wants to know."""


class TopicReader:
    """Used from one thread; reads by a consumer that whoever opened it closes."""

    def __init__(
        self, consumer: IsolatedConsumer, connection: Connection, group: str, on_trouble: OnTrouble = _ignore
    ) -> None:
        """Begin with no topic; ``connection`` and ``group`` are the consumer's."""
        self._consumer = consumer
        self._on_trouble = on_trouble
        self._ended: set[Partition] = set()
        self._positions = Positions[Partition].of(
            connection, group, consumer, lambda at: ask_watermarks(consumer, at)[0]
        )
        self._missing: set[str] = set()
        self._look_again_s = 0.0
        """On the monotonic clock."""

    def want(self, topics: Collection[str]) -> None:
        """Read these topics too."""
        self._missing = set(topics) - {topic for topic, _ in self._positions.positions}
        self._look_again_s = 0.0

    @property
    def ended(self) -> Collection[Partition]:
        """What was read to its end when something was taken last."""
        return self._ended

    def read(self, places: Iterable[Partition]) -> None:
        """Read these partitions too, which exist, each from its beginning."""
        known = self._positions.positions
        new = dict.fromkeys(at for at in places if at not in known)
        self._positions.start({**known, **new})
        self._consumer.add(TopicPartition(*at, OFFSET_BEGINNING) for at in new)

    def look_for_topics(self) -> None:
        """Begin to read what was missing and is there now."""
        if not self._missing or time.monotonic() < self._look_again_s:
            return
        self._look_again_s = time.monotonic() + _LOOK_AGAIN_S
        try:
            topics = self._consumer.partitions(_METADATA_TIMEOUT_S)
        except KafkaException as error:
            if error_of(error).retriable() or error_of(error).code() in DISCONNECTED:
                return
            raise
        found = {name for name in self._missing if topics.get(name)}
        if found:
            self.read((name, partition) for name in sorted(found) for partition in topics[name])
            self._missing -= found

    def take(self) -> list[Message]:
        """Wait for a moment, and return the records that came.

        Raises:
            ReaderFailedError: there is no going on.
        """
        self._ended.clear()
        messages = self._consumer.take(_MOST_RECORDS, _MOST_BYTES, _POLL_S)
        log_ends = LogEnds(lambda at, offset: end_of(self._consumer, at, offset))
        records, heard, doubted = list[Message](), set[Partition](), set[Partition]()
        unreadable = dict[Partition, str]()
        for message in messages:
            at = message.topic() or "", message.partition() or 0
            if at in unreadable or at in doubted:
                continue  # a client goes on behind an offset that its record cannot have
            try:
                why, late = _explain(message, at, log_ends), self._is_late(message, at)
            except BrokerUnavailableError:
                late = True
            if late:
                doubted.add(at)
                continue
            if why is not None:
                unreadable[at] = why
            elif self._follow(message, at):
                heard.add(at)
                if message.error() is None:
                    records.append(message)
        size = sum(memory_of(each.key(), each.value(), headers_of(each)) for each in records)
        drained = len(messages) < _MOST_RECORDS and size < _MOST_BYTES
        unreadable |= self._positions.find_silent(heard, drained=drained)
        for at, why in unreadable.items():
            self._pass_over(at, why)
        if unreadable or doubted:
            self._read_on()
        return records

    def ends(self) -> Mapping[Partition, int]:
        """Return where each partition ends now.

        Raises:
            BrokerUnavailableError: no answer in time.
        """
        return {at: ask_watermarks(self._consumer, at)[1] for at in self._positions.positions}

    def has_reached(self, ends: Mapping[Partition, int]) -> bool:
        """Tell whether everything before these ends was read, or passed over."""
        return all(max(0, self._positions.positions[at]) >= end for at, end in ends.items())

    def _is_late(self, message: Message, at: Partition) -> bool:
        """Tell whether it says that our position is gone, which is there: of another one, before it was passed over.

        Raises:
            BrokerUnavailableError: nobody says now where the log begins and ends.
        """
        error = message.error()
        if error is None or error.code() not in OFFSETS_GONE or at not in self._positions.positions:
            return False
        low, end = ask_watermarks(self._consumer, at)
        position = self._positions.positions[at]
        return position < 0 or low <= position <= end

    def _follow(self, message: Message, at: Partition) -> bool:
        """Move on behind a record or to an end; return whether it was one of both."""
        error, offset = message.error(), message.offset() or 0
        if error is None:
            self._positions.move(at, offset + 1)
        elif error.code() == END_OF_PARTITION:
            self._positions.move(at, offset)
            self._ended.add(at)
        elif error.fatal() or error.code() in OFFSETS_GONE:
            raise ReaderFailedError(f"{error.name()}: {error.str()}")
        else:
            self._on_trouble(at[0], error)
        return error is None or error.code() == END_OF_PARTITION

    def _pass_over(self, at: Partition, why: str) -> None:
        passed = self._positions.pass_over(at, why)
        if passed is not None:
            _log.warning(
                "a batch cannot be read and is not counted",
                topic=at[0],
                partition=at[1],
                first=passed.first,
                last=passed.last,
                cause=why,
            )

    def _read_on(self) -> None:
        self._consumer.assign(TopicPartition(*at, offset) for at, offset in self._positions.positions.items())


def _explain(message: Message, at: Partition, log_ends: LogEnds) -> str | None:
    """Say why there is no reading on there; None where there is."""
    error: KafkaError | None = message.error()
    return log_ends.explain_untrue(at, message.offset() or 0) if error is None else explain_unreadable(error)
