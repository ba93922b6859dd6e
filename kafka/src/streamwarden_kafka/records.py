"""What is read and written, as plain values: without the surprises of librdkafka's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from confluent_kafka import Message

Headers = Sequence[tuple[str, bytes | str | None]]

BY_KEY = -1
"""The partition that the key says; librdkafka's word for it."""


class Write(NamedTuple):
    """A record to write."""

    topic: str
    key: bytes | None
    value: bytes | None
    """None is a tombstone."""
    headers: list[tuple[str, str | bytes | None]]
    partition: int = BY_KEY


class Offset(NamedTuple):
    """Where a consumer group goes on in a partition."""

    topic: str
    partition: int
    offset: int
    metadata: str = ""


def headers_of(message: "Message") -> Headers:
    """Return a record's headers, in their order and with repetitions."""
    found = message.headers() or ()
    return cast("Headers", list(found.items()) if isinstance(found, dict) else found)
