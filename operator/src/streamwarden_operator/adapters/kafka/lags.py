"""The lag of many groups at once: committed offsets, then ends, then the records of what may be markers only."""

import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import KafkaClientError
from streamwarden_kafka.outcomes import OnAnswered, ignore
from streamwarden_kafka.records import Partition
from streamwarden_kafka.wire.connections import Wire
from streamwarden_kafka.wire.ends import At, TopicEnds
from streamwarden_kafka.wire.groups import Committed, GroupOffsets

from streamwarden_operator.adapters.kafka.errors import client_error
from streamwarden_operator.adapters.kafka.record_check import RecordCheck
from streamwarden_operator.errors import NotReadyError, OperatorError
from streamwarden_operator.plans.lag import Place, Span, span_of
from streamwarden_operator.ports import GroupLag, GroupReads

T = TypeVar("T")

_CLIENT_ID = "streamwarden-operator-lags"
TIMEOUT_S = 5.0
"""Longest wait for one answer: a slower one would come when the next reading is due."""
MOST_CHECKED = 200
"""Partitions whose records one reading fetches; the others wait their turn. Meanwhile the lag of a group that runs
counts as it is, and one that must be exact is not told."""
MOST_TRIES = 3
"""Fetches without an answer, after which a lag counts as it is: records must not wait for ever, either."""
_MOST_REMEMBERED = 100_000
"""Groups whose last spans are remembered, those of deleted agents among them."""

_Error = KafkaClientError | OperatorError
Places = dict[Partition, Place]
Spans = dict[Partition, Span]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A span as of the last reading."""

    span: Span
    holds_record: bool | None = None
    """None: not fetched."""
    turns: int = 0
    """Readings in a row that fetched others."""
    tries: int = 0
    """Fetches of this span that were not answered."""

    @property
    def counts(self) -> bool:
        """Whether its offsets count as lag, as far as is known."""
        return self.holds_record is not False


class KafkaLags:
    """Implements ``ports.Lags``. One reading at a time; all calls from one event loop."""

    def __init__(
        self, connection: Connection, *, timeout_s: float = TIMEOUT_S, on_answered: OnAnswered = ignore
    ) -> None:
        """Prepare, with the operator's connection; it connects by itself."""
        self._wire = Wire(connection, _CLIENT_ID, timeout_s=timeout_s, on_answered=on_answered)
        self._ends = TopicEnds(self._wire)
        self._groups = GroupOffsets(self._wire)
        self._check = RecordCheck(self._wire, self._ends)
        self._seen: dict[tuple[str, tuple[str, ...]], dict[Partition, _Seen]] = {}
        """By group and topics, as of their last reading."""

    async def read(self, wanted: Collection[GroupReads]) -> Mapping[GroupReads, GroupLag | OperatorError]:
        """Return the lag of each group, or why it could not be read; without those that wait their turn."""
        failed: dict[GroupReads, OperatorError] = {}
        partitions = _sort_out(await self._partitions(wanted), failed)
        places = _sort_out(await self._places(partitions), failed)
        spans = _sort_out(await self._spans(places), failed)
        records = await self._records(spans)
        lags = {reads: GroupLag(count, _largest(reads, partitions[reads])) for reads, count in records.items()}
        return {**lags, **failed}

    async def close(self) -> None:
        """Let go of all connections."""
        await self._wire.close()

    async def _partitions(self, wanted: Collection[GroupReads]) -> dict[GroupReads, list[Partition] | _Error]:
        known = await self._ends.partitions({topic for reads in wanted for topic in reads.topics})
        return {reads: _partitions_of(reads, known) for reads in wanted}

    async def _places(
        self, partitions: Mapping[GroupReads, Collection[Partition]]
    ) -> dict[GroupReads, Places | _Error]:
        by_group: dict[str, set[Partition]] = {}
        for reads, own in partitions.items():
            by_group.setdefault(reads.group, set()).update(own)
        # Offsets before ends: a group that goes on meanwhile must never seem to be beyond them.
        committed = await self._groups.committed(by_group)
        ends = await self._ends.offsets(set().union(*by_group.values()), At.END, committed=True)
        return {reads: _places_of(committed[reads.group], ends, own) for reads, own in partitions.items()}

    async def _spans(self, places: Mapping[GroupReads, Places]) -> dict[GroupReads, Spans | _Error]:
        unclear = {at: place for own in places.values() for at, place in own.items() if not place.is_plain}
        beyond = [at for at, place in unclear.items() if place.is_beyond]
        low = await self._ends.offsets(unclear, At.BEGINNING, committed=False)
        high = await self._ends.offsets(beyond, At.END, committed=False)
        return {reads: _spans_of(reads, own, low, high) for reads, own in places.items()}

    async def _records(self, spans: Mapping[GroupReads, Spans]) -> dict[GroupReads, int]:
        """Count what each group has left; a span that is known to hold no record counts as nothing."""
        seen = {reads: {at: self._recall(reads, at, span) for at, span in own.items()} for reads, own in spans.items()}
        doubtful = [(reads, at) for reads, own in seen.items() for at in own if self._is_doubtful(reads, at, own[at])]
        chosen = _choose(doubtful, seen)
        answers = await self._check.holds_record(chosen)
        for reads, at in doubtful:
            seen[reads][at] = _after_turn(seen[reads][at], chosen.get(at), answers.get(at))
        for reads, own in seen.items():
            self._remember(reads, own)
        return {
            reads: sum(known.span.offsets for known in own.values() if known.counts)
            for reads, own in seen.items()
            if not (reads.exact and any(_waits(known) for known in own.values()))
        }

    def _recall(self, reads: GroupReads, at: Partition, span: Span) -> _Seen:
        before = self._seen.get(_memory_key(reads), {}).get(at)
        if before is None:
            return _Seen(span)
        return before if before.span == span else _Seen(span, turns=before.turns)  # what grows must not wait for ever

    def _is_doubtful(self, reads: GroupReads, at: Partition, now: _Seen) -> bool:
        """Tell whether a lag may be none: it has not moved since the last reading, or must be exact at once."""
        if now.holds_record is not None or not now.span.offsets:
            return False
        return reads.exact or self._seen.get(_memory_key(reads), {}).get(at) is now

    def _remember(self, reads: GroupReads, own: dict[Partition, _Seen]) -> None:
        self._seen.pop(_memory_key(reads), None)
        self._seen[_memory_key(reads)] = own
        while len(self._seen) > _MOST_REMEMBERED:
            del self._seen[next(iter(self._seen))]


def _memory_key(reads: GroupReads) -> tuple[str, tuple[str, ...]]:
    return reads.group, reads.topics


def _sort_out(found: Mapping[GroupReads, T | _Error], failed: dict[GroupReads, OperatorError]) -> dict[GroupReads, T]:
    """Return what was found, and note the errors."""
    good: dict[GroupReads, T] = {}
    for reads, result in found.items():
        match result:
            case OperatorError():
                failed[reads] = result
            case KafkaClientError():
                failed[reads] = client_error(result)
            case _:
                good[reads] = result
    return good


def _partitions_of(reads: GroupReads, known: Mapping[str, tuple[int, ...] | _Error]) -> list[Partition] | _Error:
    partitions: list[Partition] = []
    for topic in reads.topics:
        numbers = known[topic]
        if isinstance(numbers, _Error):
            return numbers
        partitions += [(topic, number) for number in numbers]
    return partitions


def _largest(reads: GroupReads, partitions: Collection[Partition]) -> int:
    return max((sum(topic == name for topic, _ in partitions) for name in reads.topics), default=0)


def _places_of(
    committed: Committed | _Error, ends: Mapping[Partition, int | _Error], partitions: Iterable[Partition]
) -> Places | _Error:
    if isinstance(committed, _Error):
        return committed
    places: Places = {}
    for at in partitions:
        end = ends[at]
        if isinstance(end, _Error):
            return end
        places[at] = Place(committed.get(at), end)
    return places


def _spans_of(
    reads: GroupReads,
    places: Places,
    lows: Mapping[Partition, int | _Error],
    highs: Mapping[Partition, int | _Error],
) -> Spans | _Error:
    spans: Spans = {}
    for at, place in places.items():
        low, high = lows.get(at, 0), highs.get(at, 0)
        if isinstance(low, _Error):
            return low
        if isinstance(high, _Error):
            return high
        span = span_of(place, low=low, high=high, earliest=reads.earliest)
        if span is None:
            topic, number = at
            return NotReadyError(f"group {reads.group!r} has no place in partition {number} of topic {topic!r}")
        spans[at] = span
    return spans


def _waits(known: _Seen) -> bool:
    """Tell whether nobody knows yet whether there is a record."""
    return known.holds_record is None and known.span.offsets > 0 and known.tries < MOST_TRIES


def _after_turn(known: _Seen, fetched: Span | None, holds_record: bool | None) -> _Seen:  # noqa: FBT001  # an answer
    """Return what is known after a reading that has fetched this span, or another one in its place, or none."""
    if fetched != known.span:
        return replace(known, turns=known.turns + 1)
    if holds_record is None:
        return replace(known, turns=0, tries=known.tries + 1)
    return _Seen(known.span, holds_record)


def _choose(
    doubtful: list[tuple[GroupReads, Partition]], seen: Mapping[GroupReads, Mapping[Partition, _Seen]]
) -> dict[Partition, Span]:
    """Choose what to fetch: what must be exact first, then who has waited longest, so that each has its turn.

    A partition that several groups read from different offsets is fetched for one of them now.
    """
    random.shuffle(doubtful)
    doubtful.sort(key=lambda each: (not each[0].exact, -seen[each[0]][each[1]].turns))
    chosen: dict[Partition, Span] = {}
    for reads, at in doubtful:
        if len(chosen) == MOST_CHECKED:
            break
        chosen.setdefault(at, seen[reads][at].span)
    return chosen
