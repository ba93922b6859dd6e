"""Kafka in memory for the gate's loop: one decision topic, one group, transactions that end as a test says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamwarden_gate.errors import AbortedError, FencedError, IndefiniteError, RecordRefusedError
from streamwarden_gate.feed import View
from streamwarden_gate.ports import Committed, End, Item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from streamwarden_gate.acks import Report
    from streamwarden_gate.active import ActiveSet
    from streamwarden_gate.partitions import Place
    from streamwarden_gate.records import Record
    from streamwarden_kafka.records import Write


@dataclass
class MemoryKafka:
    """What brokers hold, and what happens to the next transactions."""

    log: dict[int, list[Record]]
    """Decisions by partition; an offset is a place in the list."""
    committed: dict[int, tuple[int, str | None]]
    written: list[Write] = field(default_factory=list)
    transactions: list[tuple[int, dict[int, Place]]] = field(default_factory=list)
    """Of each that was committed: how many records, and which places."""
    endings: list[Callable[[MemoryKafka, Sequence[Write], Mapping[int, Place]], None]] = field(default_factory=list)
    """How the next ones end; none: they are committed."""

    def commit(self, writes: Sequence[Write], places: Mapping[int, Place]) -> None:
        self.written += writes
        self.transactions.append((len(writes), dict(places)))
        self.committed |= {number: (place.position, place.head.metadata()) for number, place in places.items()}


def aborted(_kafka: MemoryKafka, _writes: Sequence[Write], _places: Mapping[int, Place]) -> None:
    """An ending: nothing is visible."""
    raise AbortedError("as the test says")


def unknown_though_committed(kafka: MemoryKafka, writes: Sequence[Write], places: Mapping[int, Place]) -> None:
    """An ending: all is visible, and the answer was lost."""
    kafka.commit(writes, places)
    raise IndefiniteError("as the test says")


def unknown_and_lost(_kafka: MemoryKafka, _writes: Sequence[Write], _places: Mapping[int, Place]) -> None:
    """An ending: nothing is visible, and the answer was lost."""
    raise IndefiniteError("as the test says")


def fenced(_kafka: MemoryKafka, _writes: Sequence[Write], _places: Mapping[int, Place]) -> None:
    """An ending: another process has the transactional id."""
    raise FencedError("as the test says")


def refused(_kafka: MemoryKafka, _writes: Sequence[Write], _places: Mapping[int, Place]) -> None:
    """An ending: the broker refuses a record."""
    raise RecordRefusedError("as the test says")


class FakeMembership:
    """Implements ``ports.Membership``."""

    def __init__(self, kafka: MemoryKafka) -> None:
        self.generation = 0
        self.owned: frozenset[int] = frozenset()
        self.silent = 0
        """How many requests for committed offsets get no answer."""
        self.extra: list[Item] = []
        """What the next poll brings besides, at its end."""
        self.in_poll: list[Callable[[], None]] = []
        """What happens in the next polls, after they have taken records: a rebalance, as in Kafka."""
        self.closed = False
        self._kafka = kafka
        self._positions: dict[int, int] = {}
        self._ended: set[int] = set()

    def assign(self, *partitions: int) -> None:
        """Do what a rebalance does."""
        self.generation += 1
        self.owned = frozenset(partitions)
        self._positions = {}

    def committed(self, partitions: Iterable[int]) -> Sequence[Committed]:
        if self.silent:
            self.silent -= 1
            raise AbortedError("no answer")
        return [Committed(number, *self._kafka.committed.get(number, (-1001, None))) for number in sorted(partitions)]

    def fetch_from(self, positions: Mapping[int, int]) -> None:
        self._positions = dict(positions)
        self._ended = set()

    def receive(self, most: int, timeout_s: float) -> Sequence[Item]:
        assert timeout_s > 0
        items: list[Item] = []
        for number, position in self._positions.items():
            found = self._kafka.log[number][position:][: most - len(items)]
            items += found
            self._positions[number] = position + len(found)
            at_end = self._positions[number] == len(self._kafka.log[number])
            if at_end and (found or number not in self._ended):
                self._ended.add(number)
                items.append(End(number, self._positions[number]))
        items, self.extra = items + self.extra, []
        for happens in self.in_poll[:1]:
            self.in_poll.pop(0)
            happens()
        return items

    def close(self) -> None:
        self.closed = True


class FakeCommitter:
    """Implements ``ports.Committer``."""

    def __init__(self, kafka: MemoryKafka) -> None:
        self._kafka = kafka
        self.opened = 0
        self._open = False

    def open(self) -> None:
        self.opened += not self._open
        self._open = True

    def settle(self) -> None:
        """Nothing to wait for."""

    def begin(self, writes: Sequence[Write], places: Mapping[int, Place]) -> FakePending:
        assert self._open
        return FakePending(self, self._kafka, writes, places)

    def lost(self) -> None:
        """An unknown outcome takes the producer with it."""
        self._open = False

    def close(self) -> None:
        self._open = False


@dataclass
class FakePending:
    """Implements ``ports.Pending``."""

    committer: FakeCommitter
    kafka: MemoryKafka
    writes: Sequence[Write]
    places: Mapping[int, Place]

    def finish(self) -> None:
        ending = self.kafka.endings.pop(0) if self.kafka.endings else MemoryKafka.commit
        try:
            ending(self.kafka, self.writes, self.places)
        except IndefiniteError:
            self.committer.lost()
            raise


class FakePolicies:
    """Implements ``ports.Policies``."""

    def __init__(self) -> None:
        self.view = View()
        self.alive = True

    def offer(self, active: ActiveSet | None) -> None:
        self.view = View(active)


class FakeReports:
    """Implements ``ports.Reports``."""

    def __init__(self) -> None:
        self.said: list[Report] = []

    def report(self, report: Report) -> None:
        if self.said[-1:] != [report]:
            self.said.append(report)

    def serve(self) -> None:
        """All was delivered."""
