"""The gate's membership of its consumer group, on Kafka. Implements ``ports.Membership``."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from streamwarden_contract.ids import sha256_hex
from streamwarden_kafka.codes import END_OF_PARTITION, OFFSETS_GONE, UNDECODABLE, error_of
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError, KafkaClientError, NotReachedError
from streamwarden_kafka.leaving import leave_for
from streamwarden_kafka.membership import GroupMember, ask_watermarks, end_of, explain_untrue
from streamwarden_kafka.records import headers_of, memory_of
from streamwarden_kafka.silence import ALONE, Parsing, Silence

from streamwarden_gate.errors import AbortedError, FatalError, PutOffError
from streamwarden_gate.kafka import decision_consumer
from streamwarden_gate.note import Note
from streamwarden_gate.offsets import USUAL_GAP, Offsets, unreadable
from streamwarden_gate.ports import Batch, Committed, End, Item, Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.records import Record
from streamwarden_gate.spans import Span, Spans

_log = structlog.get_logger(__name__)

_ALONE_TIMEOUT_S = 5.0
_LOOK_S = 1.0
"""Longest wait for word of a silent partition: nothing is judged meanwhile."""
_MOST_ALONE = 100
"""Records of one batch that are judged one by one before the group is looked at again."""
_MOST_BYTES_ALONE, _FEW = 8 * 1024 * 1024, 10
"""Memory that these take at most, but for the last one; and how many are taken out of the client at once."""

_T = TypeVar("_T")


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
        self._told_last = 0, ""
        """What the client told last that is of no partition, and under which generation."""
        self._connection = connection
        self._group = group
        self._topic = topic
        self._cluster_id = ""
        self._fetched_from: Mapping[int, int] = {}
        self._spans = Spans(self._spans_at)
        self._offsets = Offsets({}, self._spans.at, USUAL_GAP)
        self._silence = Silence[int]()
        self._reached: dict[int, tuple[int, int]] = {}
        """By partition, where the last search for a batch began, and how far it has come."""
        leave = partial(leave_for, connection, group)
        if note.member:  # of the process before this one, which died
            leave(note.member)
        self.member = GroupMember(lambda: decision_consumer(connection, group), [topic], leave, note.join)

    @property
    def generation(self) -> int:
        return self.member.generation

    @property
    def owned(self) -> frozenset[int]:
        return frozenset(number for _, number in self.member.assigned)

    @property
    def absence(self) -> str:
        if self.member.is_member:
            return ""
        generation, told = self._told_last
        return told if told and generation == self.generation else "the group has given it no partitions yet"

    def committed(self, partitions: Iterable[int]) -> Sequence[Committed]:
        try:
            self._check_cluster()
            found = self.member.committed((self._topic, number) for number in partitions)
        except BrokerUnavailableError as error:
            raise AbortedError(str(error)) from error
        return [Committed(entry.partition, entry.offset, entry.metadata) for entry in found]

    def _check_cluster(self) -> None:
        """Take no offsets of another Kafka than the first one that answered: a mirror has the same, done already.

        Raises:
            AbortedError: another one answers.
        """
        now = self.member.cluster_id()
        self._cluster_id = self._cluster_id or now
        if now != self._cluster_id:
            raise AbortedError(f"the Kafka that answers now is {now!r}, and this gate began with {self._cluster_id!r}")

    def fetch_from(self, positions: Mapping[int, int]) -> None:
        self._fetched_from = dict(positions)
        self._spans = Spans(self._spans_at)
        self._offsets = Offsets(positions, self._spans.at, USUAL_GAP)
        self._silence.follow(positions, time.monotonic())
        self.member.fetch_from({(self._topic, number): offset for number, offset in positions.items()})

    def receive(self, most: int, timeout_s: float) -> Sequence[Item]:
        first = self.member.poll(timeout_s)
        if first is None:
            return self._silent()
        try:
            rest = self.member.drain(most - 1)
        except KafkaException as error:
            raise FatalError(f"cannot consume {self._topic}: {error_of(error).name()}") from error
        try:
            items = [item for message in (first, *rest) if (item := self._item(message)) is not None]
            highest: dict[int, int] = {}
            for each in items:
                if isinstance(each, Record):
                    highest[each.partition] = max(each.offset, highest.get(each.partition, 0))
            ends = {number: self.member.end_of((self._topic, number), at) for number, at in highest.items()}
        except BrokerUnavailableError as error:
            raise AbortedError(str(error)) from error
        self._spans.begin_poll()
        checked = self._offsets.check(as_far_as_true(items, ends))
        if self._offsets.put_off:
            own = self.owned  # a rebalance may have come with this poll
            again = {(self._topic, number): at for number, at in self._offsets.positions.items() if number in own}
            self.member.fetch_from(again)
        now_s = time.monotonic()
        for number in {item.partition for item in checked}:
            self._silence.heard(number, now_s)
        return checked if len(rest) + 1 == most else [*checked, *self._silent()]

    def _silent(self) -> list[Item]:
        """Return a partition whose next batch the client does not give, and says nothing of: one a poll is looked at.

        Where a log's end is not known the client has never fetched from it: that is no silence of the client's.
        """
        for number in self._silence.too_long(time.monotonic(), most=1):
            position = self._offsets.positions[number]
            if self.high_watermark(number) > position and self._has_records(number, position):
                return [unreadable(number, f"the client says nothing of the batch at offset {position}")]
        return []

    def _has_records(self, number: int, position: int) -> bool:
        from streamwarden_kafka.wire.raw import fetch_headers  # 20 MB that hardly any gate needs

        try:
            self._search(partial(fetch_headers, timeout_s=_LOOK_S), number, position)
        except AbortedError:
            return False  # what lies there is of a transaction that is open, or no broker answers
        return True

    def receive_alone(self, number: int, position: int, reading: Callable[[int], bool | None]) -> Sequence[Item]:
        reading(position)
        items, parsed = self._read_alone(number, position, reading)
        if not parsed:
            batch = self.batch_at(number, position)
            if batch.first > position:
                # What lies before it has no records, and let the client ask for more at once: maybe that was cut off.
                items, parsed = self._read_alone(number, batch.first, reading)
        if not parsed:
            items = [unreadable(number, f"the batch at offset {position} cannot be parsed")]
        # Here the header is asked for at any gap: so what librdkafka has dropped unseen is found, too.
        checked = Offsets({number: position}, self.batch_at, 0).check(items)
        return checked[:1] + [each for each in checked[1:] if isinstance(each, Record)]

    def _read_alone(self, number: int, start: int, reading: Callable[[int], bool | None]) -> tuple[list[Item], bool]:
        """Return the records of one batch, or what is told in their place; and whether what came could be parsed."""
        # A consumer of its own, closed before anything is judged: whatever it read ahead is over then.
        parsing = Parsing()
        consumer = decision_consumer(self._connection, self._group, {**ALONE, "stats_cb": parsing.hear})
        items: list[Item] = []
        left = _MOST_BYTES_ALONE
        try:
            consumer.assign([TopicPartition(self._topic, number, start)])
            first = parsing.poll(consumer, _ALONE_TIMEOUT_S)
            if first is None:
                return [], not parsing.failed
            for message in islice(_fetched(consumer, first), _MOST_ALONE):
                item = self._item_alone(message, consumer, start)
                if not isinstance(item, Record):
                    items += [] if items or item is None else [item]
                    break
                items.append(item)
                left -= memory_of(item.key, item.value, item.headers)
                if reading(item.offset + 1) or left <= 0:
                    break
        except KafkaException as error:
            raise FatalError(f"cannot consume {self._topic}: {error_of(error).name()}") from error
        except BrokerUnavailableError as error:
            raise AbortedError(str(error)) from error
        finally:
            consumer.close()
        return items, True

    def batch_at(self, number: int, position: int) -> Batch:
        from streamwarden_kafka.wire.raw import fetch_batch  # 20 MB that hardly any gate needs

        found = self._search(fetch_batch, number, position)
        return Batch(found.header.base, found.header.last, sha256_hex(found.data), found.header.timestamp_ms)

    def _spans_at(self, number: int, position: int) -> Sequence[Span]:
        from streamwarden_kafka.wire.raw import fetch_headers  # likewise

        return [Span(header.base, header.last) for header in self._search(fetch_headers, number, position)]

    def _search(self, fetch: Callable[[Connection, str, str, int, int], _T], number: int, position: int) -> _T:
        """Ask for what comes next at a position, from where the last search for it came to."""
        began, reached = self._reached.pop(number, (position, position))
        begin = reached if began == position else position
        try:
            return fetch(self._connection, f"{self._group}-skip", self._topic, number, begin)
        except NotReachedError as error:
            self._reached[number] = position, error.reached
            raise PutOffError(f"decision partition {number} at offset {position}: {error}") from error
        except KafkaClientError as error:
            raise AbortedError(f"cannot read a batch's header: {error}") from error

    def high_watermark(self, number: int) -> int:
        return self.member.known_end((self._topic, number))

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
                return unreadable(number, "a record gives an offset beyond the end of the log")
        return self._told(error, message)

    def _item_alone(self, message: Message, consumer: Consumer, position: int) -> Item | None:
        error, at = message.error(), (self._topic, message.partition() or 0)
        if error is None:
            [item] = as_far_as_true([_record_of(message)], {at[1]: end_of(consumer, at, message.offset() or 0)})
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
        self._told_last = self.generation, error.name()
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
            told[item.partition] = unreadable(item.partition, why)
            kept.append(told[item.partition])
        else:
            kept.append(item)
    return kept


def _fetched(consumer: Consumer, first: Message) -> Iterator[Message]:
    """Yield what a client has fetched, a few at a time: given out, headers take many times what they take in it."""
    yield first
    while True:
        more = consumer.consume(_FEW, timeout=0)
        yield from more
        if len(more) < _FEW:
            return


def _record_of(message: Message) -> Record:
    """Read a message that is no error. Here reading one may raise."""
    number, offset = message.partition() or 0, message.offset() or 0
    return Record(message.key(), message.value(), headers_of(message), number, offset, message.timestamp()[1])
