"""Kafka's framing, as far as requests can be told apart by it."""

from __future__ import annotations

import asyncio
import struct

_LENGTH = struct.Struct(">i")
_REQUEST = struct.Struct(">hhi")
"""API key, API version, correlation id: the same in all versions of the header."""
_LONGEST = 100 * 1024 * 1024
"""Kafka's own bound of a request (``socket.request.max.bytes``)."""


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """Read one request or answer with its length before it; ``None`` at the end of the stream.

    Raises:
        ValueError: What arrives is no frame of Kafka's.
    """
    try:
        head = await reader.readexactly(_LENGTH.size)
        (length,) = _LENGTH.unpack(head)
        if not 0 <= length <= _LONGEST:
            raise ValueError(f"a frame of {length} bytes")
        return head + await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return None


def request_head(frame: bytes) -> tuple[int, int]:
    """Give a request's API key and correlation id."""
    key, _, correlation = _REQUEST.unpack_from(frame, _LENGTH.size)
    return key, correlation


def answer_correlation(frame: bytes) -> int:
    """Give an answer's correlation id."""
    (correlation,) = _LENGTH.unpack_from(frame, _LENGTH.size)
    return int(correlation)
