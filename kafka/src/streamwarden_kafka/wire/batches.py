"""Kafka's record batches by their headers alone: which of them hold records for a read_committed reader. Pure."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_HEADER = struct.Struct(">qiibIhiqqqhii")
"""Base offset, length, leader epoch, magic, CRC, attributes, last offset's delta, first and last timestamp, producer id
and epoch, base sequence, number of records."""
_BEFORE_LENGTH = 12
"""Bytes up to where the length begins to count."""
_MAGIC = 2
_TRANSACTIONAL, _CONTROL = 0x10, 0x20


@dataclass(frozen=True, slots=True)
class Batch:
    """What a header says."""

    base: int
    last: int
    """Offset of the last record, also where compaction took it away."""
    records: int
    producer: int
    transactional: bool
    control: bool
    """Whether it is a marker: the end of a transaction of its producer."""
    size: int
    """Bytes, the header's included."""
    timestamp_ms: int
    """The latest of its records: the append time, where the topic has that."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a piece of a partition holds."""

    record: int | None
    """Base offset of the first batch with a record that counts; None where there is none."""
    reached: int | None
    """The offset behind the last whole batch; None where there is no batch."""


def scan(data: bytes, aborted: Sequence[tuple[int, int]]) -> Scan:
    """Look for a record that a read_committed reader gets.

    Args:
        data: batches as a broker sends them; the last one may be cut off.
        aborted: (producer id, first offset) of the aborted transactions that touch the piece.
    """
    reached: int | None = None
    for batch, counts in read_counting(data, aborted):
        reached = batch.last + 1
        if counts:
            return Scan(batch.base, reached)
    return Scan(None, reached)


def read_counting(data: bytes, aborted: Sequence[tuple[int, int]]) -> Iterator[tuple[Batch, bool]]:
    """Yield the headers of the whole batches, each with whether it has records that a read_committed reader gets.

    Args:
        data: batches as a broker sends them; the last one may be cut off.
        aborted: (producer id, first offset) of the aborted transactions that touch the piece.
    """
    waiting = sorted(aborted, key=lambda each: each[1])
    aborting: set[int] = set()
    for batch in read_batches(data):
        while waiting and waiting[0][1] <= batch.last:
            aborting.add(waiting.pop(0)[0])
        if batch.control:
            aborting.discard(batch.producer)
        is_aborted = batch.transactional and batch.producer in aborting
        yield batch, not batch.control and batch.records > 0 and not is_aborted


def read_batches(data: bytes) -> Iterator[Batch]:
    """Yield the headers of the whole batches.

    Raises:
        ValueError: a batch in a format that Kafka gave up with version 4.
    """
    at = 0
    while at + _HEADER.size <= len(data):
        base, length, _, magic, _, attributes, delta, _, latest, producer, _, _, records = _HEADER.unpack_from(data, at)
        if magic != _MAGIC:
            raise ValueError(f"record batch of format {magic}")
        yield Batch(
            base=base,
            last=base + delta,
            records=records,
            producer=producer,
            transactional=bool(attributes & _TRANSACTIONAL),
            control=bool(attributes & _CONTROL),
            size=_BEFORE_LENGTH + length,
            timestamp_ms=latest,
        )
        at += _BEFORE_LENGTH + length
