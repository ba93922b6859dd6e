"""Batches that end who reads them: most are small where they are stored and large where they are read.

Nothing here is as large as they are.
"""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

from support.raw_records import Fields, RawRecord, encode_batch, encode_record

if TYPE_CHECKING:
    from collections.abc import Iterator

_GZIP, _ZSTD = 1, 4
_CHUNK = 128 * 1024
_RAW_BLOCK, _RLE_BLOCK = 0, 1


def gzip_bomb(size: int) -> bytes:
    """Build a batch with one record of so many zeros: librdkafka ends in an assertion where memory is short."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join([*(packer.compress(piece) for piece in _record(size)), packer.flush()])
    return encode_batch(packed, Fields(attributes=_GZIP))


def zstd_bomb(size: int) -> bytes:
    """Build the same in zstd, of which librdkafka says that it cannot be decompressed: the frame is written by hand."""
    begin, *zeros, end = _record(size)
    blocks = [_block(_RAW_BLOCK, len(begin), begin)]
    blocks += [_block(_RLE_BLOCK, len(piece), b"\0") for piece in zeros]
    blocks.append(_block(_RAW_BLOCK, len(end), end, last=True))
    # A frame without sizes and checksum, of a window of 128 KiB.
    return encode_batch(b"\x28\xb5\x2f\xfd\x00\x38" + b"".join(blocks), Fields(attributes=_ZSTD))


def deadly_batch() -> bytes:
    """Build a batch of one good record whose compressed data begins with nothing, compressed, as no client writes it.

    Apache Kafka takes it, and librdkafka ends in an assertion (``rd_slice_init_full``; 2.16).
    """
    record = encode_record(RawRecord(b"page-1", b"{}"), 0)
    return encode_batch(gzip.compress(b"") + gzip.compress(record), Fields(attributes=_GZIP))


def _record(size: int) -> Iterator[bytes]:
    """Yield one record: its beginning, its value of zeros by the piece, and its end."""
    key = b"page-1"
    begin = b"\0" + _varint(0) + _varint(0) + _varint(len(key)) + key + _varint(size)
    end = _varint(0)
    yield _varint(len(begin) + size + len(end)) + begin
    for _ in range(size // _CHUNK):
        yield bytes(_CHUNK)
    assert size % _CHUNK == 0
    yield end


def _varint(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _block(kind: int, size: int, content: bytes, *, last: bool = False) -> bytes:
    return (int(last) | kind << 1 | size << 3).to_bytes(3, "little") + content
