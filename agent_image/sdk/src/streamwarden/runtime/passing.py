"""Where to read on in each partition, also behind what cannot be read: no record of an input may end the reading."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import structlog
from confluent_kafka import OFFSET_BEGINNING, TopicPartition
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import KafkaClientError, NotReachedError
from streamwarden_kafka.isolated.consumer import IsolatedConsumer
from streamwarden_kafka.silence import Silence

from streamwarden.core.records import Partition, Record, UnreadableBatch
from streamwarden.runtime.consumers import Collected

_ALONE_S = 5.0
"""Longest wait for what another client makes of a batch."""
_LOOK_S = 1.0
"""Longest wait for word of what a silent partition has: nothing else is read meanwhile."""

FindBatch = Callable[[Partition, int], tuple[int, int]]
"""Returns the first and last offset of the batch that is read next at an offset, whatever is in it."""
IsUnparsed = Callable[[Partition, int], bool]
"""Tells whether the client cannot parse the batch that it reads next at an offset."""
FindStart = Callable[[Partition], int]
"""Returns the first offset that a log still has."""


def find_batches(kafka: Connection, group: str) -> FindBatch:
    """Return how to find batches by their headers, which are asked for beside the client that reads."""

    def find(at: Partition, offset: int) -> tuple[int, int]:
        from streamwarden_kafka.wire.raw import fetch_batch  # 20 MB that hardly any agent needs

        header = fetch_batch(kafka, f"{group}-pass", at.topic, at.number, offset).header
        return header.base, header.last

    return find


class Look(NamedTuple):
    """How to see soon whether a partition of which nothing comes has anything."""

    end_of: Callable[[Partition], float]
    """Tells where its log ended when it was last fetched from; negative: it never was, so that is no silence."""
    find_batch: FindBatch


def look_soon(kafka: Connection, group: str, reader: IsolatedConsumer) -> Look:
    """Return how to look while nothing else is read: no broker is waited for longer than a second."""

    def find(at: Partition, offset: int) -> tuple[int, int]:
        from streamwarden_kafka.wire.raw import fetch_headers  # as above

        header, *_ = fetch_headers(kafka, f"{group}-look", at.topic, at.number, offset, timeout_s=_LOOK_S)
        return header.base, header.last

    return Look(lambda at: reader.fetched_end(TopicPartition(*at)), find)


def find_unparsed(reader: IsolatedConsumer) -> IsUnparsed:
    """Return how to know that a batch cannot be parsed, where the client that reads says nothing of it."""
    return lambda at, offset: reader.cannot_parse(TopicPartition(*at, offset), _ALONE_S)


class Passing:
    """Knows which offset comes next in each partition, and finds the end of what cannot be read there."""

    def __init__(
        self, find_batch: FindBatch, find_start: FindStart, is_unparsed: IsUnparsed, look: Look | None = None
    ) -> None:
        """Begin with no partition.

        Args:
            find_batch: asks a broker.
            find_start: likewise.
            is_unparsed: likewise, and a client.
            look: how silent partitions are looked at; None: as all others are.
        """
        self._find_batch = find_batch
        self._find_start = find_start
        self._is_unparsed = is_unparsed
        self._look = look
        self._next: dict[Partition, int] = {}
        self._silence = Silence[Partition]((), 0.0)
        self._log = structlog.get_logger()

    @property
    def positions(self) -> Mapping[Partition, int]:
        """Where to read on, as the client takes it."""
        return self._next

    def start(self, positions: Mapping[Partition, int | None]) -> None:
        """Read these and no others from now on; None is the beginning.

        Who stands where it stood before has been silent since then, but not while it was not read.
        """
        self._next = {at: OFFSET_BEGINNING if offset is None else offset for at, offset in positions.items()}
        self._silence.follow(self._next, time.monotonic())

    def stop(self, at: Partition) -> None:
        """Read no more of a partition."""
        self._next.pop(at, None)

    def listen(self, collected: Collected, *, drained: bool, paused: Collection[Partition] = ()) -> None:
        """Add to what is unreadable a partition of which the client gives nothing, as it cannot parse what is next.

        One is looked at, of those that are silent for long: all others wait meanwhile.

        Args:
            collected: what the client gave.
            drained: whether that was all that it had.
            paused: what it was not asked for.
        """
        now_s = time.monotonic()
        for at in {*(record.at for record in collected.records), *(at for at, _ in collected.ends), *paused}:
            self._silence.heard(at, now_s)
        for at in self._silence.too_long(now_s, most=1) if drained else ():
            if at in self._next and self._is_next_unparsed(at, collected):
                collected.unreadable[at] = "a batch cannot be parsed"

    def _is_next_unparsed(self, at: Partition, collected: Collected) -> bool:
        end_of, find_batch = self._look or (collected.end_of, self._find_batch)
        try:
            if end_of(at) <= max(self._next[at], 0):
                return False
            position = self._next[at] if self._next[at] >= 0 else self._find_start(at)
            first, _ = find_batch(at, position)
        except KafkaClientError:
            return False  # there is none as yet: what lies there is of a transaction that is open
        # Of what lies before it, which has no records, a client asks for more at once, and gets the end cut off.
        return self._is_unparsed(at, max(first, position))

    def follow(self, collected: Collected) -> list[Record]:
        """Move on behind what was read, and behind each batch that could not be.

        Where the end of one is not known, its partition stays before it: it is tried again.

        Returns:
            A record in the place of each batch that is passed over.
        """
        for record in collected.records:
            self._next[record.at] = record.offset + 1
        for at in collected.gone:
            self.stop(at)
        passed = list[Record]()
        for at, why in collected.unreadable.items():
            if at not in self._next:
                continue
            try:
                record = self._pass(at, why, collected.topic_ids.get(at.topic, ""))
            except NotReachedError as error:
                self._next[at] = error.reached  # what lies before has no events: the client reads on from here
            except KafkaClientError as error:
                self._log.warning(
                    "A batch that cannot be read is not found yet",
                    topic=at.topic,
                    partition=at.number,
                    problem=why,
                    code=str(error),
                )
            else:
                self._next[at] = record.last + 1
                passed.append(record)
        return passed

    def _pass(self, at: Partition, why: str, topic_id: str) -> Record:
        position = max(self._next.get(at, 0), self._find_start(at))
        first, last = self._find_batch(at, position)
        batch = UnreadableBatch(max(position, last), why)
        return Record(at.topic, at.number, max(position, first), 0, None, None, (), topic_id, batch)
