"""What the server needs from the outside, as Protocols: its group, its transactions, the past, and time.

Kafka's clients are asked from one thread (``client_thread``). What they raise is in ``streamwarden_kafka.errors``; of a
transaction it is one of the errors that are named here.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from streamwarden.core.records import Outgoing, Partition, Record

Ranges = Mapping[Partition, tuple[int, int]]
"""For each partition the first offset, and the one before which to end."""
OffsetMetadata = Mapping[Partition, str]
"""What is committed beside positions."""
NO_METADATA: OffsetMetadata = MappingProxyType({})


Ends = tuple[tuple[Partition, int], ...]
"""Partitions whose end was reached, with the offset of that end."""


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought: records, and partitions whose end was reached, with the offset of that end."""

    records: tuple[Record, ...] = ()
    ends: Ends = ()
    gone: tuple[Partition, ...] = ()
    """Partitions whose log does not have our position: nothing comes of them before ``start``."""


class Feed(Protocol):
    """The agent's member of its consumer group. Rebalances take place within ``poll`` and ``hold`` only."""

    @property
    def generation(self) -> int:
        """Grows with each rebalance. What was polled under an older one belongs to somebody else now."""
        ...

    def poll(self, *, records: int, size: int, timeout_s: float) -> Polled:
        """Wait for something, then take what is there besides, up to so many records and about so many bytes."""
        ...

    def hold(self) -> None:
        """Stay in the group while a batch takes long: take part in rebalances, fetch nothing. ``start`` ends it."""
        ...

    def start(self, positions: Mapping[Partition, int | None]) -> None:
        """Fetch from these positions; None is the beginning. After a rebalance nothing comes before."""
        ...

    def committed(self) -> dict[Partition, int | None]:
        """Return what the group has committed for our partitions; None where nothing.

        Raises:
            BrokerUnavailableError: no answer in time.
        """
        ...

    def logs(self, partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        """Return of each log the first offset that it still has, and its end; records say from now on whose they are.

        Raises:
            BrokerUnavailableError: no answer in time.
        """
        ...

    @property
    def offset_metadata(self) -> Mapping[Partition, str]:
        """What ``committed`` has last found beside positions, where there was anything."""
        ...

    @property
    def topic_ids(self) -> Mapping[str, str]:
        """Ids of the topics as ``committed`` or ``logs`` have last found them, in base64."""
        ...

    def pause(self, partitions: frozenset[Partition]) -> None:
        """Fetch nothing of these until the next call or ``start``; all others go on from where they were left."""
        ...

    def commit(self, positions: Mapping[Partition, int], offset_metadata: OffsetMetadata = NO_METADATA) -> None:
        """Commit positions without any decision, and what is to stand beside them.

        Raises:
            BrokerUnavailableError: not committed: the broker is down, or the partitions are no longer ours.
        """
        ...

    def metadata(self) -> object:
        """Return the group membership that a transaction's offsets are fenced with.

        Raises:
            NotAMemberError: nothing can be committed.
        """
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class Transactions(Protocol):
    """One transactional producer after another, with the same transactional id."""

    def open(self) -> None:
        """Take over the transactional id: what was left open under it is finished or aborted first. Safe to repeat.

        Raises:
            BrokerUnavailableError: not done yet.
            ProducersHangError: only a new process can go on.
        """
        ...

    def commit(
        self,
        records: Sequence[Outgoing],
        positions: Mapping[Partition, int],
        group_metadata: object,
        offset_metadata: OffsetMetadata = NO_METADATA,
    ) -> None:
        """Write records and commit positions with what is to stand beside them: all of it or nothing.

        Raises:
            TransactionAbortedError: nothing was done; the producer can go on.
            TransactionUnknownError: call ``open`` before anything else.
            ProducerFencedError: another process has the transactional id, and nothing else can be the cause.
        """
        ...

    def close(self) -> None:
        """Drop the producer and whatever it still holds."""
        ...


class History(Protocol):
    """Reads our partitions again from an earlier offset, outside the group."""

    @property
    def finished(self) -> bool:
        """Whether every range has been read."""
        ...

    def poll(self, *, records: int, timeout_s: float) -> tuple[Record, ...]:
        """Return further records; none within the time is no end."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class Clock(Protocol):
    """Time, and waiting for it to pass."""

    def now_s(self) -> float:
        """Return seconds since whenever; they never go back."""
        ...

    async def wait(self, work: asyncio.Task[Any], timeout_s: float) -> bool:
        """Wait for ``work``, at most so long, and return whether it is done. It goes on where it is not."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything outside that the server uses."""

    feed: Feed
    transactions: Transactions
    history: Callable[[Ranges], History]
    clock: Clock
