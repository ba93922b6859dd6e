"""The gate's membership of its consumer group, on Kafka. Implements ``ports.Membership``."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from streamwarden_contract.ids import sha256_hex
from streamwarden_kafka.codes import END_OF_PARTITION, OFFSETS_GONE, UNDECODABLE, error_of
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError, KafkaClientError, NotReachedError
from streamwarden_kafka.membership import GroupMember, ask_watermarks, end_of, explain_untrue
from streamwarden_kafka.records import headers_of

from streamwarden_gate.errors import AbortedError, FatalError
from streamwarden_gate.kafka import ONE_BATCH, decision_consumer
from streamwarden_gate.note import Note
from streamwarden_gate.offsets import USUAL_GAP, Offsets, untrue
from streamwarden_gate.ports import Batch, Committed, End, Item, Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.records import Record

_log = structlog.get_logger(__name__)

_ALONE_TIMEOUT_S = 5.0
_MOST_ALONE = 100
"""Records of one batch that are judged one by one before the group is looked at again."""


class KafkaMembership:
    """Reads one decision topic as a member of the gates' group."""

    def __init__(self, connection: Connection, group: str, topic: str, note: Note | None = None) -> None:
        """Join.

        Args:
            connection: the gate's.
            group: its group.
            topic: the decision topic.
            note: remembers for the next process by which id the group knows this one.
        """
        note = Note() if note is None else note
        self._connection = connection
        self._group = group
        self._topic = topic
        self._fetched_from: Mapping[int, int] = {}
        self._offsets = Offsets({}, self.batch_at, USUAL_GAP)
        self._reached: dict[tuple[int, int], int] = {}
        """How far the search for a batch has come, by partition and where it began: the last one alone."""
        if note.member:
            self._leave_for(note.member)
        self.member = GroupMember(lambda: decision_consumer(connection, group), [topic], note.join)

    def _leave_for(self, dead: str) -> None:
        """Leave in the name of the process before this one, which died: its partitions wait for its session's end."""
        from streamwarden_kafka.wire.leaving import leave_group  # 20 MB that hardly any gate needs

        try:
            leave_group(self._connection, f"{self._group}-leave", self._group, dead)
        except KafkaClientError as error:
            _log.warning("the group still waits for the process before this one", error=str(error))

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
        self._fetched_from = dict(positions)
        self._offsets = Offsets(positions, self.batch_at, USUAL_GAP)
        self.member.fetch_from({(self._topic, number): offset for number, offset in positions.items()})

    def receive(self, most: int, timeout_s: float) -> Sequence[Item]:
        first = self.member.poll(timeout_s)
        if first is None:
            return ()
        try:
            rest = self.member.drain(most - 1)
        except KafkaException as error:
            raise FatalError(f"cannot consume {self._topic}: {error_of(error).name()}") from error
        try:
            items = [item for message in (first, *rest) if (item := self._item(message)) is not None]
            numbers = {item.partition for item in items if isinstance(item, Record)}
            ends = {number: self.member.end_of((self._topic, number)) for number in numbers}
        except BrokerUnavailableError as error:
            raise AbortedError(str(error)) from error
        return self._offsets.check(as_far_as_true(items, ends))

    def receive_alone(self, number: int, position: int, reading: Callable[[int], None]) -> Sequence[Item]:
        # A consumer of its own, closed before anything is judged: whatever it read ahead is over then.
        reading(position)
        consumer = decision_consumer(self._connection, self._group, ONE_BATCH)
        items: list[Item] = []
        try:
            consumer.assign([TopicPartition(self._topic, number, position)])
            first = consumer.poll(_ALONE_TIMEOUT_S)
            for message in [] if first is None else [first, *consumer.consume(_MOST_ALONE - 1, timeout=0)]:
                item = self._item_alone(message, consumer, position)
                if not isinstance(item, Record):
                    items += [] if items or item is None else [item]
                    break
                items.append(item)
                reading(item.offset + 1)
        except KafkaException as error:
            raise FatalError(f"cannot consume {self._topic}: {error_of(error).name()}") from error
        except BrokerUnavailableError as error:
            raise AbortedError(str(error)) from error
        finally:
            consumer.close()
        # Here the header is asked for at any gap: so what librdkafka has dropped unseen is found, too.
        checked = Offsets({number: position}, self.batch_at, 0).check(items)
        return checked[:1] + [each for each in checked[1:] if isinstance(each, Record)]

    def batch_at(self, number: int, position: int) -> Batch:
        from streamwarden_kafka.wire.raw import fetch_batch  # 20 MB that hardly any gate needs

        reached, self._reached = self._reached.get((number, position), position), {}
        try:
            found = fetch_batch(self._connection, f"{self._group}-skip", self._topic, number, reached)
        except NotReachedError as error:
            self._reached = {(number, position): error.reached}
            raise AbortedError(f"decision partition {number} at offset {position}: {error}") from error
        except KafkaClientError as error:
            raise AbortedError(f"cannot read a batch's header: {error}") from error
        return Batch(found.header.base, found.header.last, sha256_hex(found.data), found.header.timestamp_ms)

    def close(self) -> None:
        self.member.close()

    def _item(self, message: Message) -> Item | None:
        error, number = message.error(), message.partition() or 0
        if error is None:
            return _record_of(message)
        at = self._fetched_from.get(number)
        if error.code() in OFFSETS_GONE and at is not None:
            begin, end = self.member.watermarks([(self._topic, number)])[self._topic, number]
            if begin <= at <= end:
                return untrue(number, "a record gives an offset beyond the end of the log")
        return self._told(error, message)

    def _item_alone(self, message: Message, consumer: Consumer, position: int) -> Item | None:
        error, at = message.error(), (self._topic, message.partition() or 0)
        if error is None:
            [item] = as_far_as_true([_record_of(message)], {at[1]: end_of(consumer, at)})
            return item
        if error.code() in OFFSETS_GONE:
            begin, end = ask_watermarks(consumer, at)
            if begin <= position <= end:
                return None  # nothing led it astray, as nothing was read: the log has the position again
        return self._told(error, message)

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


def as_far_as_true(items: Sequence[Item], ends: Mapping[int, int]) -> list[Item]:
    """Leave out what comes at the first record of a partition, or behind it, that gives an offset beyond the log's end.

    Args:
        items: what the client returned.
        ends: of the logs of partitions that have records in them.

    Returns:
        The others, and such a partition as one that cannot be read on.
    """
    told: dict[int, Unreadable] = {}
    kept: list[Item] = []
    for item in items:
        if item.partition in told:
            continue
        if isinstance(item, Record) and (why := explain_untrue(item.offset, ends[item.partition])):
            told[item.partition] = untrue(item.partition, why)
            kept.append(told[item.partition])
        else:
            kept.append(item)
    return kept


def _record_of(message: Message) -> Record:
    """Read a message that is no error. Here reading one may raise."""
    number, offset = message.partition() or 0, message.offset() or 0
    return Record(message.key(), message.value(), headers_of(message), number, offset, message.timestamp()[1])
