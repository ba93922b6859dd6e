"""What a verification needs of Kafka: a port, its values, and how it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


class AuditReadError(Exception):
    """Kafka does not answer, or what was to be read is gone meanwhile."""


class ForbiddenError(AuditReadError):
    """The principal may not read it."""


class AbsentError(AuditReadError):
    """There is no such topic."""


class Log(NamedTuple):
    """One partition as it was at the start."""

    partition: int
    low: int
    """The first offset that it holds."""
    end: int
    skipped: tuple[tuple[int, int], ...] = ()
    """First and last offset of what a gate has passed over, in their order: maybe nobody can decode it."""


class Committed(NamedTuple):
    """What a group has committed for a partition."""

    offset: int
    metadata: str


class StalledError(AuditReadError):
    """A partition could not be read to the end that it had.

    Attributes:
        partitions: the offset that each partition was read to.
    """

    def __init__(self, topic: str, partitions: Mapping[int, int]) -> None:
        places = ", ".join(f"[{number}] @{offset}" for number, offset in sorted(partitions.items()))
        super().__init__(f"{topic} {places} and what follows: a transaction is open there, or the broker is away")
        self.partitions = dict(partitions)


class Record(NamedTuple):
    """A committed record of a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class AuditSource(Protocol):
    """A principal's view of Kafka. All of it raises ``AuditReadError``."""

    def topics(self) -> Mapping[str, Sequence[int]]:
        """Return the partitions of every topic that the principal may describe."""

    def partitions(self, topic: str) -> Sequence[int]:
        """Return the partitions of a topic."""

    def topic_id(self, topic: str) -> str:
        """Return Kafka's id of a topic."""

    def logs(self, topic: str) -> Sequence[Log]:
        """Return where each partition of a topic begins and ends now."""

    def committed(self, group: str, topic: str, partitions: Iterable[int]) -> Mapping[int, Committed]:
        """Return what a group has committed, for the partitions where it has; asking is no joining."""

    def has_record(self, topic: str, partition: int, offset: int) -> bool:
        """Tell whether a committed record may lie at an offset: no only where it is certain."""

    def read(self, topic: str, logs: Sequence[Log], *, of_agents: bool = False) -> Iterator[Sequence[Record]]:
        """Yield the committed records of a topic, from ``low`` to ``end`` of each partition, in order of partitions.

        Args:
            topic: which one.
            logs: its partitions, and how much of each.
            of_agents: agents write it, and what they write may end who decodes it.

        Raises:
            ForbiddenError: the principal may describe the topic, and not read it.
            StalledError: a partition did not get to its end; whatever was there has been yielded.
            AuditReadError: what was to be read is gone.
        """
