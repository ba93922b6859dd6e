"""Reads topics and committed offsets as an auditor does: to the ends that they had at the start, in no group."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from streamwarden_kafka.clients import COORDINATOR_TIMEOUT_S, open_admin, open_consumer
from streamwarden_kafka.codes import (
    DEADLY,
    DISCONNECTED,
    END_OF_PARTITION,
    FORBIDDEN,
    LOGIN_REFUSED,
    OFFSETS_GONE,
    SPREADING,
    TIMED_OUT,
    UNDECODABLE,
    code_of,
    error_of,
)
from streamwarden_kafka.errors import BrokerUnavailableError, KafkaClientError, NotReachedError, ReaderFailedError
from streamwarden_kafka.isolated.consumer import IsolatedConsumer
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.membership import ask_watermarks

from streamwarden_cli.audit.source import (
    AbsentError,
    AuditReadError,
    Committed,
    ForbiddenError,
    Log,
    Record,
    StalledError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from confluent_kafka import Consumer
    from streamwarden_kafka.connection import Connection

    BeginOfNext = Callable[[int, int], int | None]

GROUP = "streamwarden.audit"
"""Never joined and never committed: partitions are assigned by hand."""
_TIMEOUT_S = 15.0
_POLL_S = 0.2
_BATCH = 2_000
_STALL_S = 20.0
"""Longer than a gate's transaction can be open, and than a broker is away when it starts anew."""
_SILENCE_S = 3.0
"""After so long without anything it is looked at whether what comes next was skipped, as what nobody can parse."""
_SETTINGS: Mapping[str, object] = {
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "queued.max.messages.kbytes": 32_768,
    "fetch.message.max.bytes": 1_048_576,
}
_UNCOMMITTED: Mapping[str, object] = {"isolation.level": "read_uncommitted"}
"""Ends are asked for without regard to transactions: what was written by then is waited for."""


class AuditReader:
    """Implements ``AuditSource``; close it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._heard: KafkaError | None = None
        self._log = ClientLog("audit", quiet=True, on_error=self._hear)
        self._asking = open_consumer(connection, GROUP, self._log, _UNCOMMITTED)
        self._admin = open_admin(connection, self._log)

    def topics(self) -> Mapping[str, Sequence[int]]:
        """Return the partitions of every topic that the principal may describe."""
        with self._translated("list the topics"):
            found = self._asking.list_topics(timeout=_TIMEOUT_S).topics
        return {name: sorted(topic.partitions) for name, topic in found.items() if topic.error is None}

    def partitions(self, topic: str) -> Sequence[int]:
        """Return the partitions of a topic.

        Raises:
            AuditReadError: it cannot be described.
        """
        with self._translated(topic):
            found = self._asking.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
            if found.error is not None:
                raise KafkaException(found.error)
        return sorted(found.partitions)

    def topic_id(self, topic: str) -> str:
        """Return Kafka's id of a topic."""
        futures = self._admin.describe_topics(TopicCollection([topic]), request_timeout=_TIMEOUT_S)
        with self._translated(topic):
            return str(futures[topic].result(_TIMEOUT_S + 1).topic_id)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise self._explained(what, error) from error
        except BrokerUnavailableError as error:
            cause = error.__cause__
            explained = (
                self._explained(what, cause) if isinstance(cause, KafkaException) else AuditReadError(str(error))
            )
            raise explained from error

    def _explained(self, what: str, error: KafkaException) -> AuditReadError:
        code = code_of(error)
        said = f"{what}: {error_of(error).name()}"
        if code in FORBIDDEN:
            return ForbiddenError(said)
        if code in SPREADING or code == KafkaError.GROUP_ID_NOT_FOUND:
            return AbsentError(said)
        if code in DISCONNECTED or code == TIMED_OUT:
            self._asking.poll(0)  # what it has heard of its connections is told there
            said = f"{what}: Kafka does not answer: {self._heard.str() if self._heard else 'which security.protocol?'}"
        return AuditReadError(said)

    def _hear(self, error: KafkaError) -> None:
        """Keep why there is no connection: a refused login says more than what follows from it."""
        if self._heard is None or error.code() in LOGIN_REFUSED:
            self._heard = error

    def logs(self, topic: str) -> Sequence[Log]:
        """Return where each partition of a topic begins and ends now."""
        return [self._log_of(topic, partition) for partition in self.partitions(topic)]

    def _log_of(self, topic: str, partition: int) -> Log:
        with self._translated(topic):
            low, end = ask_watermarks(self._asking, (topic, partition), _TIMEOUT_S)
        return Log(partition, low, end)

    def committed(self, group: str, topic: str, partitions: Iterable[int]) -> Mapping[int, Committed]:
        """Return what a group has committed, for the partitions where it has; asking is no joining."""
        self._check_group(group)
        asked = [TopicPartition(topic, partition) for partition in partitions]
        consumer = open_consumer(self._connection, group, self._log)
        try:
            with self._translated(f"committed offsets of the group {group}"):
                found = consumer.committed(asked, timeout=_TIMEOUT_S)
                for each in found:
                    if each.error is not None:
                        raise KafkaException(each.error)
        except AbsentError:
            return {}  # Kafka knows no group that has never committed
        finally:
            consumer.close()
        return {each.partition: Committed(each.offset, each.metadata or "") for each in found if each.offset >= 0}

    def _check_group(self, group: str) -> None:
        """Raise where the principal may not describe a group: asked for its offsets, librdkafka waits in vain."""
        futures = self._admin.describe_consumer_groups([group], request_timeout=COORDINATOR_TIMEOUT_S)
        try:
            futures[group].result(_TIMEOUT_S)
        except TimeoutError:
            return  # asked for its offsets, nobody answers either
        except KafkaException as error:
            if code_of(error) in FORBIDDEN:
                raise ForbiddenError(f"the group {group}: {error_of(error).name()}") from error

    def read(self, topic: str, logs: Sequence[Log], *, of_agents: bool = False) -> Iterator[Sequence[Record]]:
        """Yield the committed records of a topic, from ``low`` to ``end`` of each partition, in order of partitions.

        Args:
            topic: which one.
            logs: its partitions, and how much of each.
            of_agents: agents write it, whose batches may end who decodes them: that is a process of its own then.

        Raises:
            ForbiddenError: the principal may describe the topic, and not read it.
            StalledError: a partition did not get to its end; whatever was there has been yielded.
            AuditReadError: what was to be read is gone.
        """
        ends = {log.partition: log.end for log in logs if log.low < log.end}
        positions = {log.partition: log.low for log in logs if log.partition in ends}
        consumer = self._open_reading(of_agents=of_agents)
        try:
            consumer.assign([TopicPartition(topic, number, offset) for number, offset in positions.items()])
            skipped = {log.partition: log.skipped for log in logs}
            yield from _read(consumer, topic, ends, positions, skipped, partial(self._begin_of_next, topic))
        except ReaderFailedError as error:
            raise AuditReadError(f"{topic}: {error}") from error
        finally:
            consumer.close()

    def _open_reading(self, *, of_agents: bool) -> Consumer | IsolatedConsumer:
        if of_agents:
            return IsolatedConsumer(self._connection, GROUP, "audit", _SETTINGS, quiet=True)
        return open_consumer(self._connection, GROUP, self._log, _SETTINGS)

    def _begin_of_next(self, topic: str, partition: int, offset: int) -> int | None:
        """Return where the next batch of records at an offset begins, at the least; None: it is not known now."""
        from streamwarden_kafka.wire.raw import fetch_headers  # 20 MB that hardly anybody needs

        try:
            return max(offset, fetch_headers(self._connection, GROUP, topic, partition, offset)[0].base)
        except NotReachedError as error:
            return error.reached  # up to there it is certain that no record lies
        except KafkaClientError:
            return None

    def has_record(self, topic: str, partition: int, offset: int) -> bool:
        """Tell whether a committed record may lie at an offset: no only where it is certain."""
        return self._begin_of_next(topic, partition, offset) in {offset, None}

    def close(self) -> None:
        """Let go of the connections."""
        self._asking.close()


Ranges = tuple[tuple[int, int], ...]


def _read(
    consumer: Consumer | IsolatedConsumer,
    topic: str,
    ends: Mapping[int, int],
    positions: dict[int, int],
    skipped: Mapping[int, Ranges],
    begin_of_next: BeginOfNext,
) -> Iterator[Sequence[Record]]:
    progress_s = asked_s = time.monotonic()
    beyond = _Beyond(ends, begin_of_next)
    while left := {number: at for number, at in positions.items() if at < ends[number]}:
        records, passed = _take_all(topic, consumer.consume(_BATCH, _POLL_S), positions, skipped, beyond)
        records = [record for record in records if record.offset < ends[record.partition]]
        if not records and time.monotonic() - max(asked_s, progress_s) > _SILENCE_S:
            silent = _behind_silent(left, skipped, begin_of_next)
            positions.update(silent)
            passed |= silent.keys()
            asked_s = time.monotonic()
        if passed:
            consumer.assign(
                [TopicPartition(topic, number, at) for number, at in positions.items() if at < ends[number]]
            )
        if records or any(positions[number] > at for number, at in left.items()):
            progress_s = time.monotonic()
        elif time.monotonic() - progress_s > _STALL_S:
            raise StalledError(topic, left)
        if records:
            yield records
            progress_s = time.monotonic()


class _Beyond:
    """Records by which a partition is over, or a skipped range is come to: written since, of that range, or untrue.

    An untrue one that a gate never met is in no skipped range: one that reads record by record begins anew behind each.
    """

    def __init__(self, ends: Mapping[int, int], begin_of_next: BeginOfNext) -> None:
        self._ends = ends
        self.begin_of_next = begin_of_next
        self._looked: dict[int, int] = {}
        """By partition: from where it was read once more. What comes then is so, all before it is read."""

    def look(self, number: int, offset: int, position: int, skipped: Ranges) -> int | None:
        """Return where to read on, if by the header of what comes next something is left before it; None: take it."""
        behind = _behind(offset, position, skipped)
        if offset <= position:
            return behind
        first = next((first for first, last in skipped if last >= position), self._ends[number])
        before = first if offset >= first else self._ends[number]
        if position >= before or offset + 1 < before or self._looked.get(number) == position:
            return behind
        self._looked[number] = position
        begin = self.begin_of_next(number, position)
        return position if begin is not None and begin < min(before, offset) else behind


def _take_all(
    topic: str,
    messages: Sequence[Message],
    positions: dict[int, int],
    skipped: Mapping[int, Ranges],
    beyond: _Beyond,
) -> tuple[list[Record], set[int]]:
    """Return the records, and the partitions that are read again from behind what was passed over."""
    records, passed = list[Record](), set[int]()
    for message in messages:
        number = message.partition() or 0
        if number in passed:
            continue
        error, position = message.error(), positions[number]
        if error is None:
            behind = beyond.look(number, _place(message)[1], position, skipped[number])
        else:
            asked = partial(beyond.begin_of_next, number)
            behind = _behind_error(error, message.offset(), position, skipped[number], asked)
        if behind is not None:
            positions[number] = behind
            passed.add(number)
        elif (record := _take(topic, message, positions)) is not None:
            records.append(record)
    return records, passed


def _take(topic: str, message: Message, positions: dict[int, int]) -> Record | None:
    """Move on behind a record or to an end; return the record, if it is one."""
    error = message.error()
    if error is not None and error.code() != END_OF_PARTITION:
        if error.code() == DEADLY:
            place = f"{topic}[{message.partition()}] @{positions[message.partition() or 0]}"
            raise AuditReadError(f"{place}: a batch that ends who decodes it, and that no gate has passed over")
        if error.code() not in UNDECODABLE:
            _raise_if_final(topic, error)
        return None
    number, offset = _place(message)
    # A record that gives a lower offset than the one before it is no way back.
    positions[number] = max(positions[number], offset + (error is None))
    return None if error is not None else Record(number, offset, _bytes(message.key()), _bytes(message.value()))


def _behind_silent(
    left: Mapping[int, int], skipped: Mapping[int, Ranges], begin_of_next: BeginOfNext
) -> dict[int, int]:
    """Return where to read on in partitions of which the client says nothing, where what comes next was skipped.

    It says nothing of what it cannot parse. By the batch's header it is certain that nothing judged lies before it.
    """
    found: dict[int, int] = {}
    for number, position in left.items():
        behind = _behind_next(position, skipped[number], partial(begin_of_next, number))
        if behind is not None:
            found[number] = behind
    return found


def _behind_next(position: int, skipped: Ranges, begin_of_next: Callable[[int], int | None]) -> int | None:
    """Return where to read on behind the skipped range that the next batch lies in; None: it is in none, or unknown."""
    first, last = next((each for each in skipped if each[1] >= position), (0, -1))
    begin = begin_of_next(position) if last >= 0 else None
    return last + 1 if begin is not None and first <= begin <= last else None


def _behind(offset: int, position: int, skipped: Ranges) -> int | None:
    """Return where to read on, if the next skipped range leads astray; None: the record can be taken.

    In it is what gives another offset than it has: the client goes on behind that one. Of a range that can be read,
    the last record is there. What was judged before the range, and is not read, is missed. One that gives a lower
    offset than the record before it is of the range that the reading has come to.
    """
    if offset < position:
        return next((last + 1 for first, last in skipped if first <= position <= last + 1), None)
    behind = next((last + 1 for _, last in skipped if last >= position), None)
    return behind if behind is not None and offset >= behind else None


def _behind_error(
    error: KafkaError, at: int | None, position: int, skipped: Ranges, begin_of_next: Callable[[int], int | None]
) -> int | None:
    """Return where to read on after what a skipped range has led to; None: it is told, or passes.

    It may come late, of a range that was passed over. Then what lies before the next one is still to be read.

    Args:
        error: what the client tells.
        at: of which offset: of one that is gone, maybe of one that a record gave.
        position: where the reading has come to.
        skipped: the partition's ranges.
        begin_of_next: tells where the next batch at an offset begins, by its header.
    """
    gone = error.code() in OFFSETS_GONE
    if not gone and error.code() not in UNDECODABLE | {DEADLY}:
        return None
    if gone and at == position:
        return None
    behind = _behind_next(position, skipped, begin_of_next)
    return position if gone and behind is None else behind


def _place(message: Message) -> tuple[int, int]:
    """Return partition and offset; what is read has both."""
    number, offset = message.partition(), message.offset()
    if number is None or offset is None:
        raise AuditReadError("Kafka gave a record without a place")
    return number, offset


def _raise_if_final(topic: str, error: KafkaError) -> None:
    code = error.code()
    # Nobody needs a right to our own group, which is never joined: librdkafka asks for its coordinator all the same.
    if code in FORBIDDEN - {KafkaError.GROUP_AUTHORIZATION_FAILED}:
        raise ForbiddenError(f"{topic}: {error.name()}")
    if code in OFFSETS_GONE:
        raise AuditReadError(f"{topic}: records were deleted while they were read; verify again")
    if error.fatal():
        raise AuditReadError(f"{topic}: {error.str()}")


def _bytes(given: bytes | str | None) -> bytes | None:
    """Return what librdkafka gave: bytes, whatever its stubs say."""
    return given.encode() if isinstance(given, str) else given
