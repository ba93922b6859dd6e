"""One batch of a partition as a broker stores it: for who cannot, or must not, decode it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiokafka.protocol.fetch import FetchRequest

from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError, KafkaClientError, NotReachedError
from streamwarden_kafka.wire.batches import Batch, read_batches, scan
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
    return asyncio.run(_fetch(connection, client_id, topic, partition, offset))


async def _fetch(connection: Connection, client_id: str, topic: str, partition: int, offset: int) -> RawBatch:
    wire = Wire(connection, client_id, timeout_s=_REQUEST_TIMEOUT_S)
    try:
        broker = await _leader(wire, topic, partition)

        async def ask(at: int, most: int) -> tuple[bytes, list[tuple[int, int]]]:
            return await _ask(broker, topic, partition, at, most)

        found = await first_batch(ask, offset, longest_s=_LONGEST_S)
    finally:
        await wire.close()
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
    until_s, most = time.monotonic() + longest_s, _LEAST_BYTES
    while True:
        data, aborted = await ask(offset, most)
        seen = scan(data, aborted)
        if seen.record is not None and most == _LEAST_BYTES:
            return _cut(data, seen.record)
        if seen.record is not None:
            offset, most = seen.record, _LEAST_BYTES  # it may be cut off here
            continue
        if seen.reached is None or seen.reached <= offset:
            return None
        offset, most = seen.reached, _MORE_BYTES
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
