"""What the feed and the history have in common: a consumer's settings, and what it returns."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import structlog
from confluent_kafka import Consumer, Message
from streamwarden_kafka.clients import Settings, open_consumer
from streamwarden_kafka.codes import END_OF_PARTITION, OFFSETS_GONE
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.isolated.consumer import IsolatedConsumer
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.positions import LogEnds, explain_unreadable
from streamwarden_kafka.records import headers_of, memory_of

from streamwarden.core.records import Partition, Record
from streamwarden.runtime.errors import RuntimeFaultError

_MEMBER: Settings = {
    # A grown topic's partitions are read after that long, not after librdkafka's five minutes.
    "topic.metadata.refresh.interval.ms": 5_000,
    # Eager: a rebalance takes every partition back, so no batch is ever in flight across one.
    "partition.assignment.strategy": "range,roundrobin",
    # The least that brokers allow: the partitions of a killed agent wait that long for their next one.
    "session.timeout.ms": 6_000,
    "heartbeat.interval.ms": 1_500,
    # A batch is polled around (see hold), so this only ends a process that hangs.
    "max.poll.interval.ms": 300_000,
}
_READER: Settings = {
    "enable.partition.eof": True,
    "queued.max.messages.kbytes": 32_768,
    # What comes at once is unpacked at once: the process that does it has a limit of memory.
    "fetch.max.bytes": 8 * 1024 * 1024,
    "fetch.wait.max.ms": 100,
}


def open_member(kafka: Connection, group: str) -> Consumer:
    """Make a member of the agent's group; it connects by itself, joins by ``subscribe``, and fetches nothing.

    Args:
        kafka: the Kafka, and the agent's user.
        group: the agent's.
    """
    return open_consumer(kafka, group, ClientLog("group"), _MEMBER)


def open_input(kafka: Connection, group: str, *, gone: Literal["error", "earliest"] = "earliest") -> IsolatedConsumer:
    """Make what reads the agent's inputs, in a process of its own; it connects by itself.

    Args:
        kafka: the Kafka, and the agent's user.
        group: the agent's.
        gone: what becomes of a position that the log does not have: told as an error, or passed over in silence.
    """
    return IsolatedConsumer(kafka, group, "feed", {**_READER, "auto.offset.reset": gone})


class Collected:
    """Sorts what a consumer returns.

    Attributes:
        records: in the order in which they came.
        ends: partitions whose end was reached, with the offset of the next record to be written.
        gone: partitions whose log does not have the position that was fetched; nothing more of them comes.
        unreadable: partitions whose next batch cannot be read, with why; nothing of them is taken behind it.
        doubted: partitions of which nobody says now where they end; nothing more of them is taken.
        size: bytes of the records' keys and values.
        header_memory: what their headers take beside, about.
    """

    def __init__(
        self,
        topic_ids: Mapping[str, str] = MappingProxyType({}),
        end_of: Callable[[tuple[str, int], int], float] = lambda _at, _offset: math.inf,
    ) -> None:
        """Begin with nothing.

        Args:
            topic_ids: by topic; records of a topic that is not there say nothing of it.
            end_of: tells where a partition's log ends that has a record at an offset, or raises
                ``BrokerUnavailableError``.
        """
        self.topic_ids = topic_ids
        self._log_ends = LogEnds(end_of)
        self.records: list[Record] = []
        self.ends: list[tuple[Partition, int]] = []
        self.gone: list[Partition] = []
        self.unreadable: dict[Partition, str] = {}
        self.doubted: set[Partition] = set()
        self.size = 0
        self.header_memory = 0

    def add(self, message: Message) -> None:
        """Take one, or an error in its place; one that may pass is logged.

        Raises:
            RuntimeFaultError: the consumer cannot go on.
        """
        error = message.error()
        at = Partition(message.topic() or "", message.partition() or 0)
        if at in self.unreadable or at in self.doubted:
            return  # a client goes on behind an offset that its record cannot have
        if error is None:
            self._take(_record(message, self.topic_ids))
        elif error.code() == END_OF_PARTITION:
            self.ends.append((at, message.offset() or 0))
        elif error.code() in OFFSETS_GONE:
            self.gone.append(at)
        elif (why := explain_unreadable(error)) is not None:
            self.unreadable[at] = why
        elif error.fatal():
            raise RuntimeFaultError(f"the consumer cannot go on: {error.name()}")
        else:
            structlog.get_logger().warning("Kafka cannot be read for now", topic=message.topic(), code=error.name())

    def _take(self, record: Record) -> None:
        """Take a record, but not at an offset that it cannot have: whoever wrote its batch gave it another."""
        at = record.at
        try:
            why = self._log_ends.explain_untrue(at, record.offset)
        except BrokerUnavailableError:
            self.doubted.add(at)
            return
        if why is not None:
            self.unreadable[at] = why
            return
        self.records.append(record)
        self.size += record.size
        self.header_memory += record.header_memory


def _record(message: Message, topic_ids: Mapping[str, str]) -> Record:
    topic, headers = message.topic() or "", headers_of(message)
    return Record(
        topic=topic,
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple(headers),
        topic_id=topic_ids.get(topic, ""),
        header_memory=memory_of(None, None, headers),
    )
