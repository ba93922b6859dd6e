"""One batch of a partition as a broker stores it: for who cannot, or must not, decode it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from aiokafka.protocol.fetch import FetchRequest

from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError, KafkaClientError, NotReachedError
from streamwarden_kafka.records import Partition
from streamwarden_kafka.wire.batches import Batch, read_batches, read_counting
from streamwarden_kafka.wire.connections import NO_ERROR, Broker, Wire, refusal
from streamwarden_kafka.wire.ends import TopicEnds

_REQUEST_TIMEOUT_S = 10.0
_READ_COMMITTED = 1
_LEAST_BYTES = 1
"""Brokers send the first batch whole, however large."""
_MORE_BYTES = 1024 * 1024
"""At once, of what is passed over: markers and aborted transactions, as many as an agent likes to write."""
_LONGEST_S = 2.0
"""How long they are passed over before the caller is asked whether to go on."""

_Ask = Callable[[int, int], Awaitable[tuple[bytes, list[tuple[int, int]]]]]
"""Takes an offset and how many bytes are wanted; gives what stands there, and which aborted transactions touch it."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RawBatch:
    """A batch that nobody has decoded."""

    header: Batch
    data: bytes


def fetch_batch(connection: Connection, client_id: str, topic: str, partition: int, offset: int) -> RawBatch:
    """Return the batch that a read_committed reader gets next at an offset. Not for use inside an event loop.

    Raises:
        NotReachedError: too much lies before it; it says from where to ask again.
        BrokerUnavailableError: it could not be had; asking again may help.
        ConnectionSettingsError: the configuration cannot be used.
    """
    search = partial(first_batch, longest_s=_LONGEST_S)
    return asyncio.run(_fetch(connection, client_id, (topic, partition), offset, search))


def fetch_headers(
    connection: Connection, client_id: str, topic: str, partition: int, offset: int, timeout_s: float | None = None
) -> Sequence[Batch]:
    """Return the headers of the batches that a read_committed reader gets next: of one, and of those that come with it.

    Args:
        connection: the Kafka, and the user.
        client_id: what brokers know the caller by.
        topic: of the log.
        partition: likewise.
        offset: where to begin.
        timeout_s: longest wait for everything; None bounds each request by itself.

    Raises:
        NotReachedError, BrokerUnavailableError, ConnectionSettingsError: as ``fetch_batch``.
    """

    async def fetch() -> Sequence[Batch]:
        search = partial(next_headers, longest_s=_LONGEST_S)
        async with asyncio.timeout(timeout_s):
            return await _fetch(connection, client_id, (topic, partition), offset, search)

    try:
        return asyncio.run(fetch())
    except TimeoutError as error:
        raise BrokerUnavailableError(f"{topic}/{partition}: no answer within {timeout_s} s") from error


async def _fetch(
    connection: Connection,
    client_id: str,
    at: Partition,
    offset: int,
    search: Callable[[_Ask, int], Awaitable[_T | None]],
) -> _T:
    topic, partition = at
    async with Wire(connection, client_id, timeout_s=_REQUEST_TIMEOUT_S) as wire:
        broker = await _leader(wire, topic, partition)

        async def ask(from_offset: int, most: int) -> tuple[bytes, list[tuple[int, int]]]:
            return await _ask(broker, topic, partition, from_offset, most)

        found = await search(ask, offset)
    if found is None:
        raise BrokerUnavailableError(
            f"{topic}/{partition}: the broker sends no batch of records from offset {offset} on"
        )
    return found


async def first_batch(ask: _Ask, offset: int, *, longest_s: float) -> RawBatch | None:
    """Return the batch that a read_committed reader gets next at an offset; None where there is none.

    Raises:
        NotReachedError: it takes longer than that.
    """
    found = await _find(ask, offset, _LEAST_BYTES, longest_s=longest_s)
    if found is None:
        return None
    data, [first, *_], most = found
    if most != _LEAST_BYTES:
        data, _ = await ask(first.base, _LEAST_BYTES)  # it may be cut off among others
    return _cut(data, first.base)


async def next_headers(ask: _Ask, offset: int, *, longest_s: float) -> Sequence[Batch] | None:
    """Return the headers of the batches that a read_committed reader gets next at an offset; None where there is none.

    Raises:
        NotReachedError: it takes longer than that.
    """
    found = await _find(ask, offset, _MORE_BYTES, longest_s=longest_s)
    return None if found is None else found[1]


async def _find(ask: _Ask, offset: int, most: int, *, longest_s: float) -> tuple[bytes, Sequence[Batch], int] | None:
    """Return the first piece of a partition that has records for a read_committed reader, and its batches that have.

    The first piece is of ``most`` bytes; how many were asked for of the one that is returned comes last.
    """
    until_s = time.monotonic() + longest_s
    while True:
        data, aborted = await ask(offset, most)
        batches = list(read_counting(data, aborted))
        if counting := [batch for batch, counts in batches if counts]:
            return data, counting, most
        if not batches or batches[-1][0].last < offset:
            return None
        offset, most = batches[-1][0].last + 1, _MORE_BYTES
        if time.monotonic() >= until_s:
            raise NotReachedError(f"no records up to offset {offset} but of aborted transactions", offset)


def _cut(data: bytes, base: int) -> RawBatch:
    at = 0
    for batch in read_batches(data):
        if batch.base == base and at + batch.size <= len(data):
            return RawBatch(batch, data[at : at + batch.size])
        at += batch.size
    raise BrokerUnavailableError(f"the broker sends the batch at offset {base} in part only")


async def _leader(wire: Wire, topic: str, partition: int) -> Broker:
    ends = TopicEnds(wire)
    found = (await ends.partitions([topic]))[topic]
    if isinstance(found, KafkaClientError):
        raise found
    leaders, _ = ends.by_leader([(topic, partition)])
    if not leaders:
        raise BrokerUnavailableError(f"partition {partition} of topic {topic!r} has no leader")
    return await wire.broker(next(iter(leaders)))


async def _ask(
    broker: Broker, topic: str, partition: int, offset: int, most: int
) -> tuple[bytes, list[tuple[int, int]]]:
    """Return what stands at an offset, and the aborted transactions that touch it."""
    request = FetchRequest(
        max_wait_time=0,
        min_bytes=0,
        max_bytes=most,
        isolation_level=_READ_COMMITTED,
        topics=[(topic, [(partition, offset, most)])],
    )
    answer = await broker.ask(request)
    for _, answers in answer.topics:
        for _, code, _high, _stable, *others, data in answers:
            if code != NO_ERROR:
                raise refusal(code, f"read {topic}/{partition} at offset {offset}")
            return data or b"", find_aborted(others)
    raise BrokerUnavailableError(f"{topic}/{partition}: an empty answer")


def find_aborted(others: list[object]) -> list[tuple[int, int]]:
    """Return a partition's aborted transactions: of what differs by version in an answer, only they are a list."""
    return next((each for each in others if isinstance(each, list)), [])
