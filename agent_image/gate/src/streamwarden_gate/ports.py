"""What the gate's loop needs of others, in its own words; of Kafka, ``membership.py`` and ``committer.py`` give it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from streamwarden_kafka.records import Write

from streamwarden_gate.note import Note
from streamwarden_gate.partitions import Place
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.records import Record

if TYPE_CHECKING:
    from streamwarden_gate.acks import Report
    from streamwarden_gate.feed import View


class Committed(NamedTuple):
    """What the group has committed for a partition."""

    partition: int
    offset: int
    """Negative where nothing is committed."""
    metadata: str | None


class End(NamedTuple):
    """The end of a partition was reached; transaction markers count."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A partition that cannot be read on."""

    partition: int
    reason: RefusalReason
    message: str


Item = Record | End | Unreadable


class Batch(NamedTuple):
    """A batch of records that was not decoded."""

    first: int
    last: int
    """Offset of its last record."""
    sha256: str
    """Of the batch as the broker has it."""
    timestamp_ms: int


class Membership(Protocol):
    """This gate's membership of its consumer group."""

    @property
    def generation(self) -> int:
        """Grows whenever partitions are given or taken. What was received under an older one is somebody else's."""

    @property
    def owned(self) -> frozenset[int]:
        """The partitions that the group gave this gate."""

    @property
    def absence(self) -> str:
        """Why this gate is no member of its group now; empty while it is one, whether it owns anything or not."""

    def committed(self, partitions: Iterable[int]) -> Sequence[Committed]:
        """Return what the group has committed.

        Raises:
            AbortedError: no answer; ask again.
        """

    def fetch_from(self, positions: Mapping[int, int]) -> None:
        """Fetch from these positions, and from no other partition; what was fetched before is thrown away."""

    def receive(self, most: int, timeout_s: float) -> Sequence[Item]:
        """Wait for something, then take what is there without waiting. Partitions change hands here only.

        Raises:
            FatalError: this process cannot read on.
        """

    def receive_alone(self, number: int, position: int, reading: Callable[[int], bool | None]) -> Sequence[Item]:
        """Read the batch at a position, and nothing behind it is being read any more when this returns.

        Args:
            number: the partition.
            position: of its next record.
            reading: is told the position that is read next, while it is; where it returns True nothing more is read.

        Returns:
            Records in their order; or the end, or why it cannot be read, where that is first. Empty: not now.
        """

    def batch_at(self, number: int, position: int) -> Batch:
        """Return what the header of the next batch at a position says, without decoding it.

        Raises:
            AbortedError: it cannot be had; ask again.
        """

    def high_watermark(self, number: int) -> int:
        """Return where a partition ends, with what is in open transactions, as far as that is known; never waits.

        Returns:
            The offset that brokers said with what was fetched last; negative where they have not yet.
        """

    def close(self) -> None:
        """Leave the group."""


class Pending(Protocol):
    """A transaction that is under way."""

    def finish(self) -> None:
        """Wait for its end.

        Raises:
            AbortedError: nothing of it is visible.
            IndefiniteError: nobody knows what became of it.
            FatalError: this process cannot go on.
        """


class Committer(Protocol):
    """Runs transactions, one at a time."""

    def open(self) -> None:
        """Be ready for the next transaction, and end what an earlier process left open.

        Raises:
            IndefiniteError: not yet.
            FatalError: never.
        """

    def settle(self) -> None:
        """Wait until the next transaction can begin without being refused."""

    def begin(self, writes: Sequence[Write], places: Mapping[int, Place]) -> Pending:
        """Begin to write everything and to commit the places of partitions, as the member that owns them.

        Raises:
            AbortedError: this gate is no member of its group now; nothing was begun.
            IndefiniteError: nothing was begun, and Kafka must be asked again.
        """

    def close(self) -> None:
        """End in order."""


class Policies(Protocol):
    """What the loop sees of the policy feed."""

    @property
    def view(self) -> "View":
        """The newest offer."""

    @property
    def proven_at_s(self) -> float:
        """Monotonic seconds: everything published before is in ``view``; minus infinity where nothing is proven."""

    @property
    def alive(self) -> bool:
        """Whether it still follows the log."""

    def settle(self, timeout_s: float) -> None:
        """Wait until what was read is in ``view``, at most ``timeout_s``.

        Beside rules that take long it would wait for Python's lock all anew at each of them.
        """


class Reports(Protocol):
    """Where the loop says how it stands."""

    def report(self, report: "Report") -> None:
        """Say it, unless it was said last."""

    def serve(self) -> None:
        """Deliver what was not delivered yet."""


@dataclass(frozen=True, slots=True)
class Links:
    """What the loop stands between."""

    membership: Membership
    committer: Committer
    policies: Policies
    reports: Reports
    note: Note = field(default_factory=Note)
    before_batch: Callable[[], None] = lambda: None
    """Called before each batch: until the next call it may use some seconds of CPU."""
