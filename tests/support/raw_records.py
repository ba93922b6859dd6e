"""Records that no client would write: the bytes of a batch are ours, the connection is aiokafka's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.wire.settings import translate_security
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LIMIT_S = 30
_BATCH_BYTES = 1024 * 1024


class RawRecord(NamedTuple):
    """A record; the names of its headers are any bytes."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[bytes, bytes]] = ()


class _Name(str):
    """A name that is encoded as somebody said."""

    __slots__ = ("raw",)
    raw: bytes

    @override
    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self.raw


def write_raw(properties: Mapping[str, str], topic: str, partition: int, records: Sequence[RawRecord]) -> None:
    """Write one batch and wait until it is acknowledged.

    Args:
        properties: librdkafka's settings of whoever writes.
        topic: where.
        partition: of it.
        records: in their order.
    """
    asyncio.run(asyncio.wait_for(_write(properties, topic, partition, records), _LIMIT_S))


async def _write(properties: Mapping[str, str], topic: str, partition: int, records: Sequence[RawRecord]) -> None:
    connection = Connection.parse("\n".join(f"{name}={value}" for name, value in properties.items()))
    producer = AIOKafkaProducer(
        bootstrap_servers=connection.bootstrap_servers, acks="all", **translate_security(connection)
    )
    await producer.start()
    try:
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, _BATCH_BYTES)
        for record in records:
            names = [(_named(name), value) for name, value in record.headers]
            assert batch.append(key=record.key, value=record.value, timestamp=None, headers=names) is not None
        batch.close()
        await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await producer.stop()


def _named(raw: bytes) -> _Name:
    name = _Name("x")
    name.raw = raw
    return name
