"""Who has written each batch of a log: the producer's id and epoch, which Kafka fences by."""

from __future__ import annotations

import asyncio
import struct
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.protocol.fetch import FetchRequest
from streamwarden_kafka.wire.batches import read_batches
from streamwarden_kafka.wire.connections import NO_ERROR, Wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamwarden_kafka.connection import Connection

_LIMIT_S = 30.0
_MOST_BYTES = 1024 * 1024
_READ_UNCOMMITTED = 0
_EPOCH = struct.Struct(">h")
_EPOCH_AT = 51
"""In a batch: behind the producer's id."""


class WrittenBatch(NamedTuple):
    """A batch of a log, as its header says."""

    topic: str
    offset: int
    producer: int
    epoch: int
    at_ms: int
    """Of its last record, by the producer's clock; of a marker, by the broker's."""
    is_marker: bool
    """Whether it ends a transaction: written by the broker, also for a producer that it fences."""


def written_batches(connection: Connection, topic: str) -> list[WrittenBatch]:
    """Return all batches of a topic with one partition, also those of transactions that were aborted, of one broker."""
    return asyncio.run(_written(connection, topic))


async def _written(connection: Connection, topic: str) -> list[WrittenBatch]:
    found: list[WrittenBatch] = []
    async with Wire(connection, "epochs", timeout_s=_LIMIT_S) as wire:
        broker, offset = await wire.any_broker(), 0
        while True:
            wanted = [(topic, [(0, offset, _MOST_BYTES)])]
            answer = await broker.ask(FetchRequest(0, 0, _MOST_BYTES, _READ_UNCOMMITTED, wanted))
            [(_, [(_, code, *_, data)])] = answer.topics
            assert code == NO_ERROR, (topic, code)
            batches, at = list(read_batches(data or b"")), 0
            if not batches:
                return found
            for batch in batches:
                (epoch,) = _EPOCH.unpack_from(data, at + _EPOCH_AT)
                written = WrittenBatch(topic, batch.base, batch.producer, epoch, batch.timestamp_ms, batch.control)
                found.append(written)
                at += batch.size
            offset = batches[-1].last + 1


def behind_newer(batches: Iterable[WrittenBatch]) -> list[tuple[WrittenBatch, WrittenBatch]]:
    """Return every batch that lies behind one of a newer epoch, with that one: no log has any where one writes."""
    by_topic: dict[str, list[WrittenBatch]] = {}
    for batch in batches:
        by_topic.setdefault(batch.topic, []).append(batch)
    return [
        (before, after)
        for log in by_topic.values()
        for before, after in pairwise(log)
        if (before.producer, before.epoch) > (after.producer, after.epoch)
    ]
