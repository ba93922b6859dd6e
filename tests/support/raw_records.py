"""Records that no client would write: every byte of a batch is ours, and the broker's answer is told."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, NamedTuple, Self

from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c, encode_varint
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.wire.connections import NO_ERROR, Wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LIMIT_S = 30
_ALL_IN_SYNC = -1
_MAGIC = 2
_AFTER_CRC = struct.Struct(">hiqqqhii")
_HEAD = struct.Struct(">qiibI")


class RawRecord(NamedTuple):
    """A record; the names of its headers are any bytes."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[bytes, bytes | None]] = ()
    timestamp_delta: int = 0
    """Milliseconds after the batch's."""


class Fields(NamedTuple):
    """What stands before the records of a batch, as a producer that is not idempotent says it."""

    attributes: int = 0
    """Its lowest three bits: how the records are compressed."""
    last_offset_delta: int = 0
    first_timestamp: int = -1
    max_timestamp: int = -1
    producer_id: int = -1
    producer_epoch: int = -1
    first_sequence: int = -1
    records: int = 1


class Answer(NamedTuple):
    """What the broker says."""

    code: int
    """Kafka's error code; 0 where it took the batch."""
    offset: int
    """Of the batch's first record."""


class RawWriter:
    """A client of one broker, the leader of every partition, that writes any bytes; close it."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        """Take librdkafka's settings of whoever writes."""
        self._runner = asyncio.Runner()
        self._wire = Wire(Connection.of(properties), "raw", timeout_s=_LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._runner.run(self._wire.close())
        self._runner.run(_rounds())
        self._runner.close()

    def write(self, topic: str, partition: int, batch: bytes) -> Answer:
        """Write one batch, or what is said to be one."""
        return self._runner.run(self._write(topic, partition, batch))

    async def _write(self, topic: str, partition: int, batch: bytes) -> Answer:
        broker = await self._wire.any_broker()
        answer = await broker.ask(ProduceRequest(None, _ALL_IN_SYNC, _LIMIT_S * 1_000, [(topic, [(partition, batch)])]))
        [(_, [(_, code, offset, *_)])] = answer.topics
        return Answer(code, offset)


async def _rounds() -> None:
    """Let the loop go round until the connections that were closed have ended: each takes a few rounds for it."""
    for _ in range(10):
        await asyncio.sleep(0)


def write_raw(properties: Mapping[str, str], topic: str, partition: int, records: Sequence[RawRecord]) -> None:
    """Write one batch that the broker takes.

    Args:
        properties: librdkafka's settings of whoever writes.
        topic: where.
        partition: of it.
        records: in their order.
    """
    with RawWriter(properties) as writer:
        assert writer.write(topic, partition, batch_of(records)).code == NO_ERROR


UNPARSED = b"\x10\0\0\0\x09\x04{}\0"
"""A record whose key has the length -5: to brokers it has none, and librdkafka cannot parse its batch."""


def batch_of(records: Sequence[RawRecord]) -> bytes:
    """Return a batch as it should be."""
    encoded = b"".join(encode_record(record, number) for number, record in enumerate(records))
    return encode_batch(encoded, Fields(last_offset_delta=len(records) - 1, records=len(records)))


def encode_batch(records: bytes, fields: Fields) -> bytes:
    """Return a batch with a right length and checksum, whatever is in it."""
    checked = _AFTER_CRC.pack(*fields) + records
    # The length counts all that follows it: leader epoch, magic, checksum.
    return _HEAD.pack(0, len(checked) + 9, -1, _MAGIC, calc_crc32c(checked)) + checked


def encode_record(record: RawRecord, offset_delta: int) -> bytes:
    """Return one record of a batch, uncompressed."""
    body = bytearray(b"\0")  # its attributes: none
    _add_number(body, record.timestamp_delta)
    _add_number(body, offset_delta)
    _add_bytes(body, record.key)
    _add_bytes(body, record.value)
    _add_number(body, len(record.headers))
    for name, value in record.headers:
        _add_bytes(body, name)
        _add_bytes(body, value)
    whole = bytearray()
    _add_bytes(whole, bytes(body))
    return bytes(whole)


def _add_number(to: bytearray, number: int) -> None:
    encode_varint(number, to.append)


def _add_bytes(to: bytearray, data: bytes | None) -> None:
    """Add bytes after their length; -1 is nothing at all."""
    _add_number(to, -1 if data is None else len(data))
    to += data or b""
