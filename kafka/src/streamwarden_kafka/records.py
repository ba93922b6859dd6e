"""What a consumer returns, without its surprises."""

from collections.abc import Sequence
from typing import cast

from confluent_kafka import Message

Headers = Sequence[tuple[str, bytes | str | None]]


def headers_of(message: Message) -> Headers:
    """Return a record's headers, in their order and with repetitions."""
    found = message.headers() or ()
    return cast("Headers", list(found.items()) if isinstance(found, dict) else found)
