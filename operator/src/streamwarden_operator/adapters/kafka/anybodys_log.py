"""A policy topic that may be anybody's, read once to its end: nothing on it may end or fill the operator."""

import math
import time
from collections.abc import Mapping

from confluent_kafka import OFFSET_BEGINNING, KafkaException, Message, TopicPartition
from streamwarden_kafka.codes import END_OF_PARTITION
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.isolated.consumer import IsolatedConsumer
from streamwarden_kafka.membership import ask_watermarks
from streamwarden_kafka.positions import explain_unreadable
from streamwarden_kafka.records import headers_of, memory_of

from streamwarden_operator.adapters.kafka.signed_records import PARTITION, POLL_S, READING, signed_record
from streamwarden_operator.errors import KafkaUnavailableError
from streamwarden_operator.ports import SignedRecord

MOST_BYTES = 64 * 1024 * 1024
"""Of the last records of all keys together: more than any policy log of ours holds."""
_MOST_RECORDS, _MOST_AT_ONCE = 500, 1024 * 1024
_BELIEVED_S = 300.0
"""So long the process that reads goes by what others before it have died of: by then people may have deleted the topic,
as they are told, and somebody may have made it again. Not sooner: to find it out ends three processes, each after some
seconds of a core."""


class AnybodysLog:
    """Reads in a process of its own, which is kept for the next topic. Used from one thread at a time."""

    def __init__(self, connection: Connection, group: str, *, timeout_s: float) -> None:
        """Prepare; nothing connects before the first topic."""
        self._connection = connection
        self._group = group
        self._timeout_s = timeout_s
        self._consumer: IsolatedConsumer | None = None
        self._refused_s = math.inf
        """When it could not read a topic for the first time, on the monotonic clock."""

    def read(self, topic: str) -> Mapping[bytes, SignedRecord]:
        """Return the last record of every key, tombstones left out.

        Raises:
            KafkaUnavailableError: it cannot be read to its end, or not in time, or holds too much.
            KafkaException: the client raised it.
            KafkaClientError: no broker says where it ends, or the process that reads could not be started.
        """
        if time.monotonic() - self._refused_s >= _BELIEVED_S:
            self.close()
        if self._consumer is None:
            self._consumer = IsolatedConsumer(self._connection, self._group, "policy-log", READING, quiet=True)
        consumer, deadline = self._consumer, time.monotonic() + self._timeout_s
        low, end = ask_watermarks(consumer, (topic, PARTITION), self._timeout_s)
        found = _Records(topic, end)
        if low == end:
            return found.last
        consumer.assign([TopicPartition(topic, PARTITION, OFFSET_BEGINNING)])
        try:
            while time.monotonic() < deadline:
                for message in consumer.take(_MOST_RECORDS, _MOST_AT_ONCE, POLL_S):
                    if found.take(message):
                        return found.last
        except KafkaUnavailableError:
            self._refused_s = min(self._refused_s, time.monotonic())
            raise
        finally:
            consumer.assign([])
        raise KafkaUnavailableError(f"could not read {topic!r}: not at its end after {self._timeout_s:g} s")

    def close(self) -> None:
        """End the process. Idempotent."""
        consumer, self._consumer, self._refused_s = self._consumer, None, math.inf
        if consumer is not None:
            consumer.close()


class _Records:
    """The last record of every key of one topic."""

    def __init__(self, topic: str, end: int) -> None:
        self.last: dict[bytes, SignedRecord] = {}
        self._topic = topic
        self._end = end
        self._sizes = dict[bytes, int]()
        self._bytes = 0

    def take(self, message: Message) -> bool:
        """Take what a client gives, and tell whether it was the end. A new leader may not show all of its log yet."""
        error = message.error()
        if error is not None and error.code() == END_OF_PARTITION:
            return (message.offset() or 0) >= self._end
        if error is not None and (why := explain_unreadable(error)) is not None:
            raise KafkaUnavailableError(f"could not read {self._topic!r}: {why}; delete the topic if it is nobody's")
        if error is not None:
            raise KafkaException(error)
        record = signed_record(message)
        self.last.pop(record.key, None)
        self._bytes -= self._sizes.pop(record.key, 0)
        if record.value is not None:
            self.last[record.key] = record
            self._sizes[record.key] = memory_of(record.key, record.value, headers_of(message))
            self._bytes += self._sizes[record.key]
        if self._bytes > MOST_BYTES:
            raise KafkaUnavailableError(f"could not read {self._topic!r}: it holds more than {MOST_BYTES >> 20} MiB")
        return False
