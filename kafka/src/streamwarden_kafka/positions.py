"""Where to read on in each partition, also behind what cannot be read: no batch of a topic may end the reading."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, NamedTuple, Self, TypeVar

import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

from streamwarden_kafka.codes import DEADLY, UNDECODABLE
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import KafkaClientError, NotReachedError
from streamwarden_kafka.isolated.consumer import IsolatedConsumer
from streamwarden_kafka.membership import explain_untrue
from streamwarden_kafka.records import Partition
from streamwarden_kafka.silence import Silence

_ALONE_S = 5.0
"""Longest wait for what another client makes of a batch."""
_LOOK_S = 1.0
"""Longest wait for word of what a silent partition has: nothing else is read meanwhile."""

K = TypeVar("K", bound=Partition)

FindBatch = Callable[[K, int], tuple[int, int]]
"""Returns the first and last offset of the batch that is read next at an offset, whatever is in it."""
IsUnparsed = Callable[[K, int], bool]
"""Tells whether the client cannot parse the batch that it reads next at an offset."""
FindStart = Callable[[K], int]
"""Returns the first offset that a log still has."""


def find_batches(kafka: Connection, group: str) -> FindBatch[Partition]:
    """Return how to find batches by their headers, which are asked for beside the client that reads."""

    def find(at: Partition, offset: int) -> tuple[int, int]:
        from streamwarden_kafka.wire.raw import fetch_batch  # 20 MB that hardly any process needs

        header = fetch_batch(kafka, f"{group}-pass", *at, offset).header
        return header.base, header.last

    return find


class Look(NamedTuple, Generic[K]):
    """How to see soon whether a partition of which nothing comes has anything."""

    end_of: Callable[[K], float]
    """Tells where its log ended when it was last fetched from; negative: it never was, so that is no silence."""
    find_batch: FindBatch[K]


def look_soon(kafka: Connection, group: str, reader: IsolatedConsumer) -> Look[K]:
    """Return how to look while nothing else is read: no broker is waited for longer than a second."""

    def find(at: K, offset: int) -> tuple[int, int]:
        from streamwarden_kafka.wire.raw import fetch_headers  # as above

        header, *_ = fetch_headers(kafka, f"{group}-look", at[0], at[1], offset, timeout_s=_LOOK_S)
        return header.base, header.last

    return Look(lambda at: reader.fetched_end(TopicPartition(*at)), find)


def find_unparsed(reader: IsolatedConsumer) -> IsUnparsed[Partition]:
    """Return how to know that a batch cannot be parsed, where the client that reads says nothing of it."""
    return lambda at, offset: reader.cannot_parse(TopicPartition(*at, offset), _ALONE_S)


def explain_unreadable(error: KafkaError) -> str | None:
    """Say why a batch cannot be read that a client tells this error of; None: the error is another one."""
    if error.code() == DEADLY:
        return error.str()
    return f"a batch cannot be decoded: {error.name()}" if error.code() in UNDECODABLE else None


class LogEnds:
    """Knows records whose offset cannot be theirs: whoever wrote their batch gave it another."""

    def __init__(self, end_of: Callable[[Partition, int], float]) -> None:
        """Begin; ``end_of`` tells where a log ends that has a record at an offset, as it says of itself.

        It raises ``BrokerUnavailableError`` where nobody knows.
        """
        self._end_of = end_of
        self._ends: dict[Partition, float] = {}
        """What logs had at the least, when it was looked at."""

    def explain_untrue(self, at: Partition, offset: int) -> str | None:
        """Say what is wrong with an offset that a record gives; None where nothing is.

        Raises:
            BrokerUnavailableError: nobody says now where the log ends.
        """
        if offset >= self._ends.get(at, 0):
            self._ends[at] = self._end_of(at, offset)
        return explain_untrue(offset, self._ends[at])


class Passed(NamedTuple):
    """Offsets that are passed over."""

    first: int
    last: int


class Positions(Generic[K]):
    """Knows which offset comes next in each partition, and finds the end of what cannot be read there."""

    def __init__(
        self,
        find_batch: FindBatch[K],
        find_start: FindStart[K],
        is_unparsed: IsUnparsed[K],
        look: Look[K],
    ) -> None:
        """Begin with no partition.

        Args:
            find_batch: asks a broker.
            find_start: likewise.
            is_unparsed: likewise, and a client.
            look: how silent partitions are looked at.
        """
        self._find_batch = find_batch
        self._find_start = find_start
        self._is_unparsed = is_unparsed
        self._look = look
        self._next: dict[K, int] = {}
        self._silence = Silence[K]()
        self._log = structlog.get_logger()

    @classmethod
    def of(cls, kafka: Connection, group: str, reader: IsolatedConsumer, find_start: FindStart[K]) -> Self:
        """Make them for a reader and the group that it was opened with."""
        return cls(find_batches(kafka, group), find_start, find_unparsed(reader), look_soon(kafka, group, reader))

    @property
    def positions(self) -> Mapping[K, int]:
        """Where to read on, as the client takes it."""
        return self._next

    def start(self, positions: Mapping[K, int | None]) -> None:
        """Read these and no others from now on; None is the beginning.

        Who stands where it stood before has been silent since then, but not while it was not read.
        """
        self._next = {at: OFFSET_BEGINNING if offset is None else offset for at, offset in positions.items()}
        self._silence.follow(self._next, time.monotonic())

    def move(self, at: K, offset: int) -> None:
        """Read on from there: all before it was read."""
        self._next[at] = offset

    def stop(self, at: K) -> None:
        """Read no more of a partition."""
        self._next.pop(at, None)

    def find_silent(self, heard: Iterable[K], *, drained: bool) -> dict[K, str]:
        """Return a partition of which the client gives nothing, as it cannot parse what is next, with why.

        One is looked at, of those that are silent for long: all others wait meanwhile.

        Args:
            heard: of which it gave something now, or was not asked for anything.
            drained: whether the client gave all that it had.
        """
        now_s = time.monotonic()
        for at in heard:
            self._silence.heard(at, now_s)
        silent = self._silence.too_long(now_s, most=1) if drained else ()
        return {at: "a batch cannot be parsed" for at in silent if at in self._next and self._is_next_unparsed(at)}

    def _is_next_unparsed(self, at: K) -> bool:
        try:
            if self._look.end_of(at) <= max(self._next[at], 0):
                return False
            position = self._next[at] if self._next[at] >= 0 else self._find_start(at)
            first, _ = self._look.find_batch(at, position)
        except KafkaClientError:
            return False  # there is none as yet: what lies there is of a transaction that is open
        # Of what lies before it, which has no records, a client asks for more at once, and gets the end cut off.
        return self._is_unparsed(at, max(first, position))

    def pass_over(self, at: K, why: str) -> Passed | None:
        """Move on behind the batch that cannot be read, and return what of it is passed over.

        Where its end is not known, None: the partition stays before it, and it is tried again.
        """
        try:
            position = max(self._next.get(at, 0), self._find_start(at))
            first, last = self._find_batch(at, position)
        except NotReachedError as error:
            self._next[at] = error.reached  # what lies before has no records: the client reads on from here
            return None
        except KafkaClientError as error:
            self._log.warning(
                "A batch that cannot be read is not found yet",
                topic=at[0],
                partition=at[1],
                problem=why,
                code=str(error),
            )
            return None
        passed = Passed(max(position, first), max(position, last))
        self._next[at] = passed.last + 1
        return passed
