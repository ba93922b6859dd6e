"""How policy topics are read, and what a record of theirs is: for who publishes and for who only looks."""

from typing import TYPE_CHECKING, cast

from confluent_kafka import Message
from streamwarden_kafka.clients import Settings
from streamwarden_kafka.records import headers_of

from streamwarden_operator.ports import SignedRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTITION = 0
"""A policy topic has one partition: its order is the order of publishing."""
POLL_S = 0.5
READING: Settings = {
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    # An empty answer shows a partition's end: the first read waits for one.
    "fetch.wait.max.ms": 100,
}


def signed_record(message: Message) -> SignedRecord:
    """Return a record as it stands on the topic; its value is None where it is a tombstone."""
    pairs = cast("Sequence[tuple[str, bytes | None]]", headers_of(message))
    return SignedRecord(message.key() or b"", message.value(), tuple((name, header or b"") for name, header in pairs))
