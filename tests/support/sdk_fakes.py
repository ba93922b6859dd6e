"""The SDK's world in memory: a consumer group, transactions, the past, and time that passes when waited for.

It is to behave as Kafka does where the runtime can tell.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from streamwarden.core.records import Outgoing, Partition, Record
from streamwarden.runtime.ports import (
    NO_METADATA,
    Clock,
    Feed,
    History,
    OffsetMetadata,
    Polled,
    Ports,
    Ranges,
    Transactions,
)
from streamwarden_kafka.errors import (
    BrokerUnavailableError,
    ProducerFencedError,
    TransactionAbortedError,
    TransactionUnknownError,
)
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Outcome = Literal["abort", "unknown, written", "unknown, not written"]
"""What becomes of a transaction, where a test does not want it to be committed."""

_TURNS = 500
"""Turns of the event loop after which work that is not done waits for something."""


class FakeClock(Clock):
    """Time that passes only when somebody waits for it, and then at once."""

    def __init__(self) -> None:
        self.s = 1_000.0

    @override
    def now_s(self) -> float:
        return self.s

    @override
    async def wait(self, work: asyncio.Task[Any], timeout_s: float) -> bool:
        for _ in range(_TURNS):
            if work.done():
                return True
            await asyncio.sleep(0)
        self.s += timeout_s
        return False

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.s += seconds
        await asyncio.sleep(0)


@dataclass
class FakeKafka:
    """One cluster with one consumer group of agents, and their decision topic."""

    clock: FakeClock = field(default_factory=FakeClock)
    logs: dict[Partition, list[Record | None]] = field(default_factory=dict)
    """None is the marker of a transaction: it takes an offset and cannot be read."""
    first: dict[Partition, int] = field(default_factory=dict)
    """The first offset that a log still has; 0 where it is not named."""
    committed: dict[Partition, int] = field(default_factory=dict)
    offset_metadata: dict[Partition, str] = field(default_factory=dict)
    """What is committed beside positions, where there is anything."""
    decisions: list[Outgoing] = field(default_factory=list)
    """What can be read of the decision topic."""
    commits: list[dict[Partition, int]] = field(default_factory=list)
    """Every commit of positions, with or without decisions, in order."""
    members: list[FakeFeed] = field(default_factory=list)
    generation: int = 0
    made: Counter[str] = field(default_factory=Counter)
    """How often topics were made again."""
    epochs: dict[str, int] = field(default_factory=dict)
    """Of each transactional id: only the newest producer may write."""

    def commit(self, positions: Mapping[Partition, int], offset_metadata: Mapping[Partition, str]) -> None:
        """Take positions of the group, and what is to stand beside them."""
        self.committed.update(positions)
        self.commits.append(dict(positions))
        for at in positions:
            self.offset_metadata.pop(at, None)
        self.offset_metadata.update((at, text) for at, text in offset_metadata.items() if text and at in positions)

    def create_topic(self, topic: str, partitions: int = 1) -> None:
        for number in range(partitions):
            self.logs[Partition(topic, number)] = []

    def make_again(self, topic: str) -> None:
        """Delete a topic with what the group has committed of it, and make an empty one of that name."""
        self.made[topic] += 1
        for at in [each for each in self.logs if each.topic == topic]:
            self.logs[at] = []
            for of_the_old in (self.first, self.committed, self.offset_metadata):
                of_the_old.pop(at, None)

    def topic_id(self, topic: str) -> str:
        again = self.made[topic]
        return f"id+of/{topic}" + (f"/{again}" if again else "")

    def append(self, at: Partition, key: bytes | None, value: bytes | None, headers: Any = ()) -> Record:
        """Write a record, and return it as it will be read."""
        log = self.logs[at]
        record = Record(at.topic, at.number, len(log), 0, key, value, tuple(headers))
        log.append(record)
        return record

    def append_marker(self, at: Partition) -> None:
        """End a transaction in a partition."""
        self.logs[at].append(None)

    def rebalance(self) -> None:
        """Ask all members to join again: a new generation begins when all have heard of it."""
        for member in self.members:
            member.joining = True
        self.assign()

    def expel(self, member: FakeFeed) -> None:
        """Go on without a member that was not heard of in time; it learns so when it asks next."""
        self.members.remove(member)
        self.generation += 1
        self.rebalance()

    def assign(self) -> None:
        """Begin a new generation, once every member has joined: partitions go to members in turn."""
        if not self.members or any(member.joining for member in self.members):
            return
        self.generation += 1
        for index, member in enumerate(self.members):
            wanted = sorted(at for at in self.logs if at.topic in member.topics)
            member.given = frozenset(wanted[index :: len(self.members)])


class FakeFeed(Feed):
    """A member of the group.

    Attributes:
        joining: it has not heard yet that the group rebalances.
        given: what a new generation gives it, before it has heard.
        unanswered: how many requests from now on get no answer.
        holds: how often it was held.
        paused: partitions of which nothing is fetched.
    """

    def __init__(self, kafka: FakeKafka, topics: Sequence[str]) -> None:
        self.topics = frozenset(topics)
        self.joining = True
        self.given: frozenset[Partition] | None = None
        self.unanswered = 0
        self.holds = 0
        self.on_poll: Callable[[], None] = lambda: None
        """Called before each poll, in the thread of the clients."""
        self.on_hold: Callable[[], None] = lambda: None
        self.assigned: frozenset[Partition] = frozenset()
        self._kafka = kafka
        self._generation = 0
        self._member_generation = -1
        self.paused: frozenset[Partition] = frozenset()
        self._offset_metadata: dict[Partition, str] = {}
        self._topic_ids: dict[str, str] = {}
        self._next: dict[Partition, int] = {}
        self._ended: set[Partition] = set()
        kafka.members.append(self)
        kafka.rebalance()

    @property
    @override
    def generation(self) -> int:
        return self._generation

    @override
    def poll(self, *, records: int, size: int, timeout_s: float) -> Polled:
        self.on_poll()
        if self._hear():
            return Polled()
        found: list[Record] = []
        gone = tuple(at for at in sorted(self._next.keys() - self.paused) if not self._has(at, self._next[at]))
        for at in gone:
            del self._next[at]
        for at in sorted(self._next.keys() - self.paused):
            log = self._kafka.logs[at]
            while len(found) < records and sum(each.size for each in found) < size and self._next[at] < len(log):
                record = log[self._next[at]]
                self._next[at] += 1
                self._ended.discard(at)
                if record is not None:
                    found.append(record)
        ended = [at for at in self._next if at not in self.paused and self._next[at] == len(self._kafka.logs[at])]
        ends = tuple((at, self._next[at]) for at in ended if at not in self._ended)
        self._ended.update(ended)
        if not found and not ends:
            self._kafka.clock.s += timeout_s
        return Polled(tuple(found), ends, gone)

    @override
    def hold(self) -> None:
        self.holds += 1
        self.on_hold()
        self._next.clear()
        self.paused = frozenset()
        self._hear()

    @override
    def start(self, positions: Mapping[Partition, int | None]) -> None:
        self._next = {
            at: self._kafka.first.get(at, 0) if offset is None else offset for at, offset in positions.items()
        }
        self._ended.clear()
        self.paused = frozenset()

    @override
    def committed(self) -> dict[Partition, int | None]:
        self._ask()
        self._ask_for_ids()
        self._offset_metadata = {at: text for at, text in self._kafka.offset_metadata.items() if at in self.assigned}
        return {at: self._kafka.committed.get(at) for at in self.assigned}

    @property
    @override
    def offset_metadata(self) -> OffsetMetadata:
        return self._offset_metadata

    @property
    @override
    def topic_ids(self) -> Mapping[str, str]:
        return self._topic_ids

    @override
    def pause(self, partitions: frozenset[Partition]) -> None:
        self.paused = partitions

    @override
    def commit(self, positions: Mapping[Partition, int], offset_metadata: OffsetMetadata = NO_METADATA) -> None:
        self._ask()
        if self._member_generation != self._kafka.generation:
            raise BrokerUnavailableError("ILLEGAL_GENERATION")
        self._kafka.commit(positions, offset_metadata)

    @override
    def metadata(self) -> object:
        return self._member_generation

    @override
    def close(self) -> None:
        if self in self._kafka.members:
            self._kafka.members.remove(self)
            self._kafka.rebalance()

    @override
    def logs(self, partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        self._ask()
        self._ask_for_ids()
        return {at: (self._kafka.first.get(at, 0), len(self._kafka.logs[at])) for at in partitions}

    def _has(self, at: Partition, offset: int) -> bool:
        return self._kafka.first.get(at, 0) <= offset <= len(self._kafka.logs[at])

    def _ask(self) -> None:
        if self.unanswered:
            self.unanswered -= 1
            raise BrokerUnavailableError("_TIMED_OUT")

    def _ask_for_ids(self) -> None:
        self._topic_ids = {topic: self._kafka.topic_id(topic) for topic in self.topics}

    def _hear(self) -> bool:
        """Take part in a rebalance, and tell whether there was one."""
        if self not in self._kafka.members:
            self._kafka.members.append(self)
            self._kafka.rebalance()
        before = self._generation
        if self.joining:
            self.joining = False
            if self.assigned:
                self._take(frozenset())
            self._kafka.assign()
        if self.given is not None and not self.joining:
            self._take(self.given)
            self.given = None
            self._member_generation = self._kafka.generation
        return before != self._generation

    def _take(self, partitions: frozenset[Partition]) -> None:
        self.assigned = partitions
        self._next.clear()
        self._generation += 1


class FakeTransactions(Transactions):
    """A transactional producer.

    Attributes:
        script: what becomes of the next transactions; one that is not named is committed.
        unanswered: how many times from now on it cannot be opened.
        opened: how often it was.
    """

    def __init__(self, kafka: FakeKafka, transactional_id: str = "pages-0") -> None:
        self.script: deque[Outcome] = deque()
        self.unanswered = 0
        self.opened = 0
        self.closed = False
        self._kafka = kafka
        self._id = transactional_id
        self._epoch: int | None = None

    @override
    def open(self) -> None:
        if self.unanswered:
            self.unanswered -= 1
            raise BrokerUnavailableError("_TIMED_OUT")
        self._epoch = self._kafka.epochs[self._id] = self._kafka.epochs.get(self._id, 0) + 1
        self.opened += 1

    @override
    def commit(
        self,
        records: Sequence[Outgoing],
        positions: Mapping[Partition, int],
        group_metadata: object,
        offset_metadata: OffsetMetadata = NO_METADATA,
    ) -> None:
        if self._epoch is None:
            raise TransactionUnknownError("no producer is open")
        if self._epoch != self._kafka.epochs[self._id]:
            raise ProducerFencedError("another process uses the transactional id of this pod")
        outcome = self.script.popleft() if self.script else None
        if outcome == "abort" or group_metadata != self._kafka.generation:
            raise TransactionAbortedError("ILLEGAL_GENERATION")
        if outcome != "unknown, not written":
            self._kafka.decisions.extend(records)
            self._kafka.commit(positions, offset_metadata)
        if outcome is not None:
            self._epoch = None
            raise TransactionUnknownError("_TIMED_OUT")

    @override
    def close(self) -> None:
        self._epoch = None
        self.closed = True


class FakeHistory(History):
    """Reads the logs again."""

    def __init__(self, kafka: FakeKafka, ranges: Ranges) -> None:
        self._kafka = kafka
        self._left = {at: [start, end] for at, (start, end) in ranges.items()}
        self.closed = False

    @property
    @override
    def finished(self) -> bool:
        return not self._left

    @override
    def poll(self, *, records: int, timeout_s: float) -> tuple[Record, ...]:
        found: list[Record] = []
        for at, place in list(self._left.items()):
            log = self._kafka.logs[at]
            end = min(place[1], len(log))
            while len(found) < records and place[0] < end:
                record = log[place[0]]
                place[0] += 1
                if record is not None:
                    found.append(record)
            if place[0] >= end:
                del self._left[at]
        return tuple(found)

    @override
    def close(self) -> None:
        self.closed = True


def fake_ports(kafka: FakeKafka, feed: FakeFeed, transactions: FakeTransactions) -> Ports:
    """Bring them together."""
    return Ports(feed, transactions, lambda ranges: FakeHistory(kafka, ranges), kafka.clock)
