"""Compressed data that is not compressed: both formats have blocks that are the data itself."""

from __future__ import annotations

import struct

SNAPPY, ZSTD = 2, 4
"""Kafka's numbers for them."""
_LITERAL_BYTES = 60
"""So many need no length of their own."""
_BLOCK_BYTES = 128 * 1024
_SNAPPY_FRAME = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)
_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"
_SIZE_IN_4_BYTES, _SMALLEST_WINDOW = b"\xa0", b"\0\x00"


def in_snappy(data: bytes, *, framed: bool = False) -> bytes:
    """Return literals: bare, or in the frame that Java's library writes."""
    length, left = bytearray(), len(data)
    while left > 0x7F:
        length.append(left & 0x7F | 0x80)
        left >>= 7
    length.append(left)
    parts = (data[start : start + _LITERAL_BYTES] for start in range(0, len(data), _LITERAL_BYTES))
    block = bytes(length) + b"".join(bytes([(len(part) - 1) << 2]) + part for part in parts)
    return _SNAPPY_FRAME + struct.pack(">i", len(block)) + block if framed else block


def in_zstd(data: bytes, *, size_known: bool = True) -> bytes:
    """Return raw blocks in one frame, which may say how large the data is."""
    # Without it the window must be said: the largest block here has 1 KiB, as the smallest window.
    most = _BLOCK_BYTES if size_known else 1024
    head = _SIZE_IN_4_BYTES + struct.pack("<I", len(data)) if size_known else _SMALLEST_WINDOW
    parts = [data[start : start + most] for start in range(0, len(data), most)] or [b""]
    blocks = b"".join(
        struct.pack("<I", (number == len(parts)) | len(part) << 3)[:3] + part for number, part in enumerate(parts, 1)
    )
    return _ZSTD_FRAME + head + blocks
