"""What the gate reads: one record of the decision topic, as a value. Pure."""

from typing import NamedTuple

from streamwarden_contract.events import Headers


class Record(NamedTuple):
    """One record of the decision topic, as the agent wrote it."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int
    offset: int
    timestamp_ms: int
    """The broker's append time, milliseconds since 1970."""


def record_size(record: Record) -> int:
    """Return the bytes of key, value and headers together."""
    size = len(record.key or b"") + len(record.value or b"")
    for name, raw in record.headers:
        size += len(name) + (len(raw) if raw is not None else 0)
    return size
