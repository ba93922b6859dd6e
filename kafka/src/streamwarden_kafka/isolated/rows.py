"""What goes between the two processes, as plain values."""

from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, Message

from streamwarden_kafka.records import Headers, Partition, headers_of

TAKE = "take"
"""Asks for records."""


class Fault(NamedTuple):
    """An error of librdkafka."""

    code: int
    text: str
    fatal: bool
    retriable: bool

    @classmethod
    def of(cls, error: KafkaError) -> "Fault":
        return cls(int(error.code()), error.str(), error.fatal(), error.retriable())

    def error(self) -> KafkaError:
        return KafkaError(self.code, self.text, self.fatal, self.retriable)


class Row(NamedTuple):
    """A record, or what is told in its place."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: tuple[int, int]
    fault: Fault | None

    @classmethod
    def of(cls, message: Message) -> "Row":
        place = message.topic() or "", message.partition() or 0, message.offset() or 0
        error = message.error()
        if error is not None:
            return cls(*place, None, None, (), (0, 0), Fault.of(error))
        return cls(*place, message.key(), message.value(), headers_of(message), message.timestamp(), None)

    def message(self) -> Message:
        error = None if self.fault is None else self.fault.error()
        return Message(
            topic=self.topic,
            partition=self.partition,
            offset=self.offset,
            key=self.key,
            value=self.value,
            headers=list(self.headers),
            timestamp=self.timestamp,
            error=error,
        )

    @property
    def at(self) -> Partition:
        return self.topic, self.partition


class Taken(NamedTuple):
    """What one request brought."""

    rows: Sequence[Row]
    ends: dict[Partition, int]
    """Where the logs of these records end, as brokers said when they were last fetched from; -1: they have not said, or
    the client has forgotten it (``membership.end_of``). What was known before is too low for these records, then."""


class Answer(NamedTuple):
    """To a request."""

    value: object
    fault: Fault | None
    """What librdkafka raised in place of a value."""
    lines: Sequence[dict[str, object]]
    """Of the log."""
