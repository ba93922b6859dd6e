"""The event as a handler sees it."""

from dataclasses import dataclass
from datetime import datetime

from streamwarden_contract.canonical import JsonValue
from streamwarden_contract.events import CloudEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(CloudEvent):
    """One event: its CloudEvents attributes, its data, and where its record stands."""

    data: JsonValue
    """The event's data, read as strict JSON; None for an event without data, as a tombstone."""
    topic: str
    partition: int
    offset: int
    timestamp: datetime
    """Kafka's timestamp of the record."""
    key: bytes | None
    topic_id: str = ""
    """Kafka's id of the topic; empty where it is not known."""
    digest: str | None = None
    """SHA-256 of the record's value; None for a record without value."""

    @property
    def entity(self) -> str | None:
        """What the event is about: its subject, else its key where that is text."""
        if self.subject:
            return self.subject
        return text_of(self.key)


def text_of(key: bytes | None) -> str | None:
    """Return a record key as text, or None where it is absent, empty or not UTF-8."""
    if not key:
        return None
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None
