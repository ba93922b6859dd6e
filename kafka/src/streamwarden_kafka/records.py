"""What is read and written, as plain values: without the surprises of librdkafka's."""

from collections.abc import Sequence
from operator import methodcaller
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from confluent_kafka import Message

Headers = Sequence[tuple[str, bytes | str | None]]

UNREADABLE_HEADER = "\ufffd"
"""Stands for all headers of a record where the name of one is not UTF-8: the client then gives none of them."""

Partition = tuple[str, int]
"""Topic and number."""

BY_KEY = -1
"""The partition that the key says; librdkafka's word for it."""


_HEADER_BYTES = 200
"""What a header takes beside name and value: three objects. On the wire it may be three bytes."""

_ask_for_headers = methodcaller("headers")
"""Fails where the client does: where a call is written out, and made often, CPython 3.11 looks only at its result, and
the client's failure comes up in whatever is called next."""


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


class TopicFacts(NamedTuple):
    """A topic as the broker has it: another id once it was made again."""

    topic_id: str
    """Base64 as librdkafka writes it: ``+`` and ``/`` where Kafka's own tools have ``-`` and ``_``."""
    partitions: int


def headers_of(message: "Message") -> Headers:
    """Return a record's headers, in their order and with repetitions.

    Names on the wire are any bytes; one that is not UTF-8 makes a header that no event has: see ``UNREADABLE_HEADER``.
    """
    try:
        found = _ask_for_headers(message) or ()
    except SystemError as error:
        # The client goes on after a name that it could not decode (confluent-kafka 2.16): each further one wraps it.
        cause: BaseException | None = error
        while isinstance(cause, SystemError):
            cause = cause.__cause__
        if not isinstance(cause, UnicodeDecodeError):
            raise
        return ((UNREADABLE_HEADER, None),)
    return cast("Headers", list(found.items()) if isinstance(found, dict) else found)


def memory_of(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Return about how many bytes of memory a record takes: by headers alone, a batch of kilobytes may take all."""
    taken = len(key or b"") + len(value or b"") + _HEADER_BYTES * len(headers)
    for name, said in headers:  # as a generator's sum it takes twice as long, of every record
        taken += len(name) + (len(said) if said is not None else 0)
    return taken
