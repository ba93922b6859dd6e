"""Records as they come in and go out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from streamwarden_contract.decision import Decision, Failure
from streamwarden_contract.events import Headers
from streamwarden_contract.ids import sha256_hex


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class UnreadableBatch:
    """Why a batch cannot be read, and how far it reaches."""

    last: int
    """Offset of its last record."""
    why: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record of an input, as Kafka has it: nothing of it is decoded."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    """Since 1970, in UTC: of its creation or of its appending, as the topic says."""
    key: bytes | None
    value: bytes | None
    """None: a tombstone."""
    headers: Headers
    """In their order; a name may come more than once."""
    topic_id: str = ""
    """The topic's, in base64: another one once the topic was made again. Empty where it is not known."""
    unreadable: UnreadableBatch | None = None
    """Set where it stands for all that is left of a batch from its offset on."""
    header_memory: int = field(default=0, compare=False)
    """About how many bytes its headers take."""

    @property
    def at(self) -> Partition:
        """Where it stands."""
        return Partition(self.topic, self.partition)

    @property
    def last(self) -> int:
        """The last offset that it stands for: its own, but of a batch that cannot be read."""
        return self.offset if self.unreadable is None else self.unreadable.last

    @property
    def size(self) -> int:
        """Bytes of key and value, without headers."""
        return len(self.key or b"") + len(self.value or b"")

    @property
    def memory(self) -> int:
        """About how many bytes it takes: what batches are measured by."""
        return self.size + self.header_memory


class Outgoing(NamedTuple):
    """A record for the agent's decision topic: a decision or a failure, of at most ``MAX_RECORD_BYTES``."""

    key: bytes
    """Of a decision its entity, so that a gate sees those on one entity in order; never empty."""
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    @property
    def size(self) -> int:
        """Bytes of key, value and headers, as the gate counts them."""
        size = len(self.key) + len(self.value)
        for name, value in self.headers:  # as a generator's sum it takes four times as long, of every decision
            size += len(name) + len(value)
        return size


class Handled(NamedTuple):
    """What came of one input record: decisions, or a failure, or nothing."""

    record: Record
    decisions: tuple[Decision, ...] = ()
    """As their gate reads them; empty where there is a failure."""
    failure: Failure | None = None
    """Set where the event was given up."""
    outgoing: tuple[Outgoing, ...] = ()
    """One for each decision, in their order, or one for the failure."""
    source: str = ""
    """Who says that the event is theirs (``ce_source``); empty where that could not be read."""
    dropped: frozenset[str] = frozenset()
    """Optional attributes of the event that were wrong, and so left out."""
    repeated: bool = False
    """A command, or another event that is deduplicated, whose id stood before it: nothing was done."""
    passed_over: bool = False
    """No handler takes such events: none was called."""


def digest_of(record: Record) -> str | None:
    """Return the SHA-256 of a record's value."""
    return None if record.value is None else sha256_hex(record.value)


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
