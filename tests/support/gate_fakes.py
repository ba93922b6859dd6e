"""Kafka in memory for the gate's loop: one decision topic, one group, transactions that end as a test says."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamwarden_gate.errors import AbortedError, FencedError, GateError, IndefiniteError, OutputsRefusedError
from streamwarden_gate.feed import View
from streamwarden_gate.ports import Batch, Committed, End, Item, Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.stop import Stop
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from streamwarden_gate.acks import Report
    from streamwarden_gate.active import ActiveSet
    from streamwarden_gate.partitions import Place
    from streamwarden_gate.records import Record
    from streamwarden_kafka.records import Write

    Ending = Callable[["MemoryKafka", Sequence[Write], Mapping[int, Place]], None]

_MOST_ALONE = 100


@dataclass
class MemoryKafka:
    """What brokers hold, and what happens to the next transactions."""

    log: dict[int, list[Record | None]]
    """Decisions by partition; an offset is a place in the list, and None a transaction's marker."""
    committed: dict[int, tuple[int, str | None]]
    stable: dict[int, int] = field(default_factory=dict)
    """Last stable offsets, where a transaction is open behind them."""
    written: list[Write] = field(default_factory=list)
    transactions: list[tuple[int, dict[int, Place]]] = field(default_factory=list)
    """Of each that was committed: how many records, and which places."""
    endings: list[Ending] = field(default_factory=list)
    """How the next ones end."""
    usual: Ending | None = None
    """How all others end; None: they are committed."""
    producers: Counter[str] = field(default_factory=Counter)
    """How often each transactional id was opened: the last one fences the others."""

    def readable(self, number: int) -> list[Record | None]:
        """Return what a read_committed reader may see of a partition."""
        return self.log[number][: self.stable.get(number)]

    def commit(self, writes: Sequence[Write], places: Mapping[int, Place]) -> None:
        self.written += writes
        self.transactions.append((len(writes), dict(places)))
        self.committed |= {number: (place.position, place.metadata) for number, place in places.items()}


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
    """An ending: the broker refuses a record for what it is."""
    raise OutputsRefusedError("too large", for_itself=True)


def refused_where(condition: Callable[[Sequence[Write]], bool], *, for_itself: bool = True) -> Ending:
    """An ending: the broker refuses a transaction with such records, and no other."""

    def end(kafka: MemoryKafka, writes: Sequence[Write], places: Mapping[int, Place]) -> None:
        if condition(writes):
            raise OutputsRefusedError("too large" if for_itself else "forbidden", for_itself=for_itself)
        kafka.commit(writes, places)

    return end


class DiedError(BaseException):
    """The process is dead: nothing catches it."""


class NoWait(Stop):
    """A stop signal that nobody waits for."""

    @override
    def wait(self, timeout_s: float) -> None:
        assert timeout_s >= 0


class MemoryGroup:
    """A group as its coordinator sees it: all give back their partitions, each in its own poll, then all get some."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._members: list[FakeMembership] = []
        self._awaited: set[FakeMembership] = set()

    def join(self, member: FakeMembership) -> None:
        self._members.append(member)
        self._rebalance()

    def leave(self, member: FakeMembership) -> None:
        """Go, or be put out: the member itself may not know yet."""
        if member in self._members:
            self._members.remove(member)
            self._rebalance()

    def has(self, member: FakeMembership) -> bool:
        """Whether offsets in the member's name are taken."""
        return member in self._members

    def poll(self, member: FakeMembership) -> None:
        """Do what happens in a member's poll."""
        if member not in self._members:
            member.assign()
            self.join(member)
        if member in self._awaited:
            self._awaited.discard(member)
            member.assign()
            if not self._awaited:
                self._share_out()

    def _rebalance(self) -> None:
        self._awaited = set(self._members)

    def _share_out(self) -> None:
        count = len(self._members)
        for place, member in enumerate(self._members):
            member.assign(*range(place, self._partitions, count))


class FakeMembership:
    """Implements ``ports.Membership``. Partitions come from the group, or as a test says."""

    def __init__(self, kafka: MemoryKafka, group: MemoryGroup | None = None) -> None:
        self.generation = 0
        self.owned: frozenset[int] = frozenset()
        self.silent = 0
        """How many requests for committed offsets get no answer."""
        self.extra: list[Item] = []
        """What the next poll brings besides, at its end."""
        self.in_poll: list[Callable[[], None]] = []
        """What happens in the next polls, after they have taken records: a rebalance, as in Kafka."""
        self.unreadable: dict[int, tuple[int, ...]] = {}
        """Offsets by partition that no client can decode."""
        self.deadly_to_read: set[tuple[int, int]] = set()
        """Partitions and offsets of what kills a process that reads it by itself."""
        self.deadly_to_copy: set[tuple[int, int]] = set()
        """Likewise of records that kill where they are made Python's, after those before them in their batch."""
        self.batch_ends: dict[tuple[int, int], int] = {}
        """The last offset of batches that are longer than a record."""
        self.closed = False
        self.absence = ""
        """Why the group has not taken it in, where a test says so."""
        self._kafka = kafka
        self._positions: dict[int, int] = {}
        self._ended: set[int] = set()
        self._group = group
        if group is not None:
            group.join(self)

    @property
    def is_member(self) -> bool:
        """Whether the group takes this member's offsets."""
        return self._group is None or self._group.has(self)

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
            log = self._kafka.readable(number)
            found = log[position:][: most - len(items)]
            found = found[
                : min((bad for bad in self.unreadable.get(number, ()) if bad >= position), default=position + most)
                - position
            ]
            items += [each for each in found if each is not None]
            self._positions[number] = position + len(found)
            if self._positions[number] in self.unreadable.get(number, ()):
                items.append(Unreadable(number, RefusalReason.UNREADABLE_PARTITION, "cannot be decoded"))
            at_end = self._positions[number] == len(log)
            if at_end and (found or number not in self._ended):
                self._ended.add(number)
                items.append(End(number, self._positions[number]))
        items, self.extra = items + self.extra, []
        for happens in self.in_poll[:1]:
            self.in_poll.pop(0)
            happens()
        if self._group is not None:
            self._group.poll(self)
        return items

    def receive_alone(self, number: int, position: int, reading: Callable[[int], bool | None]) -> Sequence[Item]:
        reading(position)
        if position in self.unreadable.get(number, ()):
            return [Unreadable(number, RefusalReason.UNREADABLE_PARTITION, "cannot be decoded")]
        if (number, position) in self.deadly_to_read:
            raise DiedError
        found: list[Record] = []
        bad = {at for partition, at in self.deadly_to_read if partition == number} | {*self.unreadable.get(number, ())}
        for each in self._kafka.log[number][position:]:
            if len(found) == _MOST_ALONE or (each is not None and each.offset in bad):
                break  # these begin batches of their own
            if each is not None:
                if (number, each.offset) in self.deadly_to_copy:
                    raise DiedError
                found.append(each)
                if reading(each.offset + 1):
                    break
        return found or [End(number, len(self._kafka.log[number]))]

    def batch_at(self, number: int, position: int) -> Batch:
        first = self._first_record_at(number, position)
        return Batch(first, self.batch_ends.get((number, first), first), "0" * 64, 0)

    def high_watermark(self, number: int) -> int:
        return len(self._kafka.log[number]) if number in self._positions else -1001

    def _first_record_at(self, number: int, position: int) -> int:
        """Pass over markers, as a read_committed reader does."""
        return next((at for at, each in enumerate(self._kafka.log[number]) if at >= position and each), position)

    def close(self) -> None:
        self.closed = True
        if self._group is not None:
            self._group.leave(self)


class FakeCommitter:
    """Implements ``ports.Committer``."""

    def __init__(self, kafka: MemoryKafka, membership: FakeMembership, transactional_id: str = "pod-0") -> None:
        self.opened = 0
        self.unanswered = False
        """Whether no broker answers a producer that is to be opened."""
        self._kafka = kafka
        self._membership = membership
        self._id = transactional_id
        self._epoch = 0
        """Of the producer that is open; 0 where none is."""

    @property
    def refusal(self) -> GateError | None:
        """Why Kafka takes nothing from it now."""
        if self._epoch != self._kafka.producers[self._id]:
            return FencedError("another process has the transactional id")
        return None if self._membership.is_member else AbortedError("unknown member")

    def open(self) -> None:
        if not self._epoch:
            if self.unanswered:
                raise IndefiniteError("no answer")
            self.opened += 1
            self._kafka.producers[self._id] += 1
            self._epoch = self._kafka.producers[self._id]

    def settle(self) -> None:
        """Nothing to wait for."""

    def begin(self, writes: Sequence[Write], places: Mapping[int, Place]) -> FakePending:
        assert self._epoch
        return FakePending(self, self._kafka, writes, places)

    def lost(self) -> None:
        """An unknown outcome takes the producer with it."""
        self._epoch = 0

    def close(self) -> None:
        self._epoch = 0


@dataclass
class FakePending:
    """Implements ``ports.Pending``."""

    committer: FakeCommitter
    kafka: MemoryKafka
    writes: Sequence[Write]
    places: Mapping[int, Place]

    def finish(self) -> None:
        if (refusal := self.committer.refusal) is not None:
            raise refusal
        ending = self.kafka.endings.pop(0) if self.kafka.endings else self.kafka.usual or MemoryKafka.commit
        try:
            ending(self.kafka, self.writes, self.places)
        except IndefiniteError:
            self.committer.lost()
            raise


class Clock:
    """What the loop takes for the time, in seconds."""

    def __init__(self) -> None:
        self.now_s = 1024.0
        """Always the same: added to the machine's own, 0.1 s came out longer or shorter, by how long that was up."""

    def monotonic(self) -> float:
        return self.now_s


class FakePolicies:
    """Implements ``ports.Policies``."""

    def __init__(self) -> None:
        self.view = View()
        self.proven_at_s = math.inf
        self.alive = True
        self.on_settle: Callable[[], object] = lambda: None
        """What the feed does while somebody waits for it."""

    def settle(self, timeout_s: float) -> None:
        assert timeout_s > 0
        self.on_settle()

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
