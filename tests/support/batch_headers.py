"""Record batches with a true header, and nothing inside that anybody reads."""

from __future__ import annotations

import struct

TRANSACTIONAL, CONTROL = 0x10, 0x20


def batch(base: int, last: int, *, producer: int = -1, attributes: int = 0, records: int = -1, magic: int = 2) -> bytes:
    """Make a batch of plain records."""
    count = last - base + 1 if records < 0 else records
    body = struct.pack(">ibIhiqqqhii", 0, magic, 0, attributes, last - base, 0, 0, producer, 0, 0, count) + b"records"
    return struct.pack(">qi", base, len(body)) + body


def data(base: int, last: int, producer: int) -> bytes:
    """Make a batch of a transaction."""
    return batch(base, last, producer=producer, attributes=TRANSACTIONAL)


def marker(at: int, producer: int) -> bytes:
    """Make the end of a transaction."""
    return batch(at, at, producer=producer, attributes=TRANSACTIONAL | CONTROL)
