"""The gate's membership of its consumer group, on Kafka. Implements ``ports.Membership``."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from streamwarden_contract.ids import sha256_hex
from streamwarden_kafka.codes import END_OF_PARTITION, OFFSETS_GONE, UNDECODABLE, error_of
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError, KafkaClientError
from streamwarden_kafka.membership import GroupMember
from streamwarden_kafka.records import headers_of

from streamwarden_gate.errors import AbortedError, FatalError
from streamwarden_gate.kafka import ONE_BATCH, decision_consumer
from streamwarden_gate.ports import Batch, Committed, End, Item, Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.records import Record

_log = structlog.get_logger(__name__)

_ALONE_TIMEOUT_S = 5.0
_MOST_ALONE = 100
"""Records of one batch that are judged one by one before the group is looked at again."""


class KafkaMembership:
    """Reads one decision topic as a member of the gates' group."""

    def __init__(self, connection: Connection, group: str, topic: str) -> None:
        self._connection = connection
        self._group = group
        self._topic = topic
        self.member = GroupMember(lambda: decision_consumer(connection, group), [topic])

    @property
    def generation(self) -> int:
        return self.member.generation

    @property
    def owned(self) -> frozenset[int]:
        return frozenset(number for _, number in self.member.assigned)

    def committed(self, partitions: Iterable[int]) -> Sequence[Committed]:
        try:
            found = self.member.committed((self._topic, number) for number in partitions)
        except BrokerUnavailableError as error:
            raise AbortedError(str(error)) from error
        return [Committed(entry.partition, entry.offset, entry.metadata) for entry in found]

    def fetch_from(self, positions: Mapping[int, int]) -> None:
        self.member.fetch_from({(self._topic, number): offset for number, offset in positions.items()})

    def receive(self, most: int, timeout_s: float) -> Sequence[Item]:
        first = self.member.poll(timeout_s)
        if first is None:
            return ()
        try:
            rest = self.member.drain(most - 1)
        except KafkaException as error:
            raise FatalError(f"cannot consume {self._topic}: {error_of(error).name()}") from error
        items = (self._item(message) for message in (first, *rest))
        return [item for item in items if item is not None]

    def receive_alone(self, number: int, position: int, reading: Callable[[int], None]) -> Sequence[Item]:
        # A consumer of its own, closed before anything is judged: whatever it read ahead is over then.
        reading(position)
        consumer = decision_consumer(self._connection, self._group, ONE_BATCH)
        items: list[Item] = []
        try:
            consumer.assign([TopicPartition(self._topic, number, position)])
            first = consumer.poll(_ALONE_TIMEOUT_S)
            for message in [] if first is None else [first, *consumer.consume(_MOST_ALONE - 1, timeout=0)]:
                item = self._item(message)
                if not isinstance(item, Record):
                    items += [] if items or item is None else [item]
                    break
                items.append(item)
                reading(item.offset + 1)
        except KafkaException as error:
            raise FatalError(f"cannot consume {self._topic}: {error_of(error).name()}") from error
        finally:
            consumer.close()
        return items

    def batch_at(self, number: int, position: int) -> Batch:
        from streamwarden_kafka.wire.raw import fetch_batch  # 20 MB that hardly any gate needs

        try:
            found = fetch_batch(self._connection, f"{self._group}-skip", self._topic, number, position)
        except KafkaClientError as error:
            raise AbortedError(f"cannot read a batch's header: {error}") from error
        return Batch(found.header.base, found.header.last, sha256_hex(found.data), found.header.timestamp_ms)

    def close(self) -> None:
        self.member.close()

    def _item(self, message: Message) -> Item | None:
        error = message.error()
        return _record_of(message) if error is None else self._told(error, message)

    def _told(self, error: KafkaError, message: Message) -> Item | None:
        number, code = message.partition() or 0, error.code()
        if code == END_OF_PARTITION:
            return End(number, message.offset() or 0)
        if error.fatal():
            raise FatalError(f"the consumer of {self._topic} failed: {error.name()}")
        if code in OFFSETS_GONE:
            lost = f"decision partition {number}: the log no longer holds the committed offset"
            return Unreadable(number, RefusalReason.OFFSETS_LOST, lost)
        if code in UNDECODABLE:
            garbled = f"decision partition {number}: a batch cannot be decoded: {error.name()}"
            return Unreadable(number, RefusalReason.UNREADABLE_PARTITION, garbled)
        _log.warning("cannot read decisions", partition=number, error=error.name())
        return None


def _record_of(message: Message) -> Record:
    """Read a message that is no error. Here reading one may raise."""
    number, offset = message.partition() or 0, message.offset() or 0
    return Record(message.key(), message.value(), headers_of(message), number, offset, message.timestamp()[1])
