"""What is committed beside an offset: which events after it are finished.

``1;<topic id>;<offset>;<bitmap>``: the bitmap in base64, its bytes in order and in each the lowest bit first; bit n is
the offset ``offset + 1 + n``. Nothing is finished beyond an offset without metadata.
"""

import base64
import binascii
import re

FORMAT = 1
MAX_AHEAD = 24_000
"""Offsets that a bitmap reaches: 4,000 characters of the 4,095 bytes that Kafka takes in a transaction (measured)."""

_PARTS = re.compile(r"([0-9]{1,9});([A-Za-z0-9+/_-]{1,64});([0-9]{1,18});([A-Za-z0-9+/]*={0,2})")


class OffsetMetadataError(ValueError):
    """It says nothing of this offset: whoever reads on begins at the offset itself."""


def is_finished(offset: int, low: int, beyond: int) -> bool:
    """Tell whether an offset is finished, by a low watermark and what is finished beyond it, as ``encode`` takes it."""
    return offset < low or (offset > low and bool(beyond >> (offset - low - 1) & 1))


def encode(topic_id: str, offset: int, beyond: int) -> str:
    """Write the metadata of an offset: at most 4,086 bytes.

    Args:
        topic_id: of the input, in base64: another topic of that name has other events there.
        offset: what is committed with it.
        beyond: finished offsets: bit n is ``offset + 1 + n``, and n is below ``MAX_AHEAD``.
    """
    bitmap = base64.b64encode(beyond.to_bytes((beyond.bit_length() + 7) // 8, "little")).decode()
    return f"{FORMAT};{topic_id};{offset};{bitmap}"


def decode(metadata: str, *, topic_id: str, offset: int) -> int:
    """Return which offsets beyond ``offset`` are finished, as ``encode`` takes them; 0 where there is no metadata.

    Raises:
        OffsetMetadataError: it is of no format that is known, or of another topic or offset, as where it was copied.
    """
    if not metadata:
        return 0
    parts = _PARTS.fullmatch(metadata)
    if parts is None or int(parts[1]) != FORMAT:
        raise OffsetMetadataError(f"it is not of format {FORMAT}")
    if parts[2] != topic_id:
        raise OffsetMetadataError(f"it is of the topic {parts[2]}; this one is {topic_id or 'not known'}")
    if int(parts[3]) != offset:
        raise OffsetMetadataError(f"it is that of the offset {parts[3]}")
    try:
        found = base64.b64decode(parts[4], validate=True)
    except binascii.Error as error:
        raise OffsetMetadataError("its bitmap is not base64") from error
    if len(found) * 8 > MAX_AHEAD:
        raise OffsetMetadataError(f"its bitmap reaches further than {MAX_AHEAD} offsets")
    return int.from_bytes(found, "little")
