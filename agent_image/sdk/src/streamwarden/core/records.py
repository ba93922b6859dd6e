"""Records as they come in and go out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from streamwarden_contract.decision import Decision, Failure
from streamwarden_contract.events import Headers


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record of an input."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def at(self) -> Partition:
        return Partition(self.topic, self.partition)

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record for the agent's decision topic."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    @property
    def size(self) -> int:
        """Bytes of key, value and headers, as the gate counts them."""
        return len(self.key) + len(self.value) + sum(len(name) + len(value) for name, value in self.headers)


@dataclass(frozen=True, slots=True)
class Handled:
    """What came of one input record: decisions, or a failure, or nothing."""

    record: Record
    decisions: tuple[Decision, ...] = ()
    failure: Failure | None = None
    outgoing: tuple[Outgoing, ...] = ()


def group_by_key(records: Iterable[Record]) -> list[list[tuple[int, Record]]]:
    """Split records, with their index, into lists that may be worked on side by side.

    Records with the same key stay in one list, in order, whichever topic they are from. A record without key has no
    order to keep and gets a list of its own.
    """
    groups: list[list[tuple[int, Record]]] = []
    by_key: dict[bytes, list[tuple[int, Record]]] = {}
    for indexed in enumerate(records):
        key = indexed[1].key
        if key is not None and (group := by_key.get(key)) is not None:
            group.append(indexed)
            continue
        groups.append([indexed])
        if key is not None:
            by_key[key] = groups[-1]
    return groups
