"""The past is handed in once: what the handlers have seen is remembered, also where a replay was interrupted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import structlog
from streamwarden import Agent, Decision, Event
from streamwarden.core.batching import BatchSize
from streamwarden.core.records import Handled, Partition
from streamwarden.core.routing import Routes
from streamwarden.runtime.client_thread import ClientThread
from streamwarden.runtime.handling import Handling
from streamwarden.runtime.ports import Ports, Ranges
from streamwarden.runtime.replay import Replay
from streamwarden_contract.runtime_config import SourceTopic
from support.sdk_fakes import FakeFeed, FakeHistory, FakeKafka, FakeTransactions
from support.sdk_served import build_dispatcher, page_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

A, B, OTHER = Partition("pages", 0), Partition("pages", 1), Partition("other", 0)
LAST = Partition("other", 1)


class World:
    """A member of the group and an agent that remembers; the past is read in batches of two at first."""

    def __init__(self) -> None:
        self.kafka = FakeKafka()
        self.kafka.create_topic("pages", 2)
        self.kafka.create_topic("other")
        self.feed = FakeFeed(self.kafka, ["pages", "other"])
        self.feed.hold()
        self.stop = asyncio.Event()
        self.seen: list[tuple[int, int]] = []
        self.on_event: Callable[[], object] = lambda: None
        """Called after each event that was seen."""
        self.opened: list[tuple[Ranges, FakeHistory]] = []
        self.thread = ClientThread()
        agent = Agent()

        @agent.on_event("page.observed", replay=True)
        async def remember(event: Event) -> Decision:
            self.seen.append((event.partition, event.offset))
            self.on_event()
            return Decision("never")

        routes = Routes(agent, [SourceTopic(name="pages", topic="pages"), SourceTopic(name="other", topic="other")])
        ports = Ports(self.feed, FakeTransactions(self.kafka), self.open_history, self.kafka.clock)
        dispatcher = build_dispatcher(routes, self.kafka.clock.sleep)
        self.handling = Handling(ports, self.thread, dispatcher, self.stop)
        self.handling.size = BatchSize(2)
        self.replay = Replay(ports, self.thread, self.handling, frozenset({"pages"}), self.stop)

    def open_history(self, ranges: Ranges) -> FakeHistory:
        history = FakeHistory(self.kafka, ranges)
        self.opened.append((dict(ranges), history))
        return history

    def observe(self, count: int, at: Partition = A) -> None:
        for _ in range(count):
            number = len(self.kafka.logs[at])
            self.kafka.append(at, f"{at.number}-{number}".encode(), b"{}", page_headers(number))

    async def run(self, committed: dict[Partition, int | None]) -> bool:
        self.handling.size = BatchSize(2)
        return await self.replay.run(committed, self.feed.generation)

    def rebalance(self) -> None:
        """Change the partitions' owners, and let this member hear of it."""
        self.kafka.rebalance()
        self.feed.hold()


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.thread.close()


async def test_what_is_committed_is_handed_in_and_nothing_after_it(world: World) -> None:
    world.observe(3, A)
    world.observe(2, B)
    assert await world.run({A: 2, B: 1})
    assert sorted(world.seen) == [(0, 0), (0, 1), (1, 0)]
    ((ranges, history),) = world.opened
    assert (ranges, history.closed) == ({A: (0, 2), B: (0, 1)}, True)


@pytest.mark.parametrize(
    "committed",
    [
        pytest.param({}, id="no-partition"),
        pytest.param({A: None}, id="nothing-committed"),
        pytest.param({A: 0}, id="the-beginning"),
        pytest.param({OTHER: 5}, id="a-topic-that-nobody-wants-again"),
    ],
)
async def test_where_there_is_no_past_none_is_opened(world: World, committed: dict[Partition, int | None]) -> None:
    assert await world.run(committed)
    assert world.opened == []


async def test_what_the_handlers_have_seen_is_not_handed_in_again(world: World) -> None:
    world.observe(4)
    world.replay.remember(Handled(record) for record in world.kafka.logs[A][:3] if record is not None)
    world.replay.remember([Handled(record) for record in world.kafka.logs[A][:1] if record is not None])
    assert await world.run({A: 4})
    assert await world.run({A: 4})
    assert world.seen == [(0, 3)]
    assert [ranges for ranges, _ in world.opened] == [{A: (3, 4)}]


async def test_markers_at_the_end_of_the_past_are_remembered_too(world: World) -> None:
    world.observe(1)
    world.kafka.append_marker(A)
    for _ in range(2):
        assert await world.run({A: 2})
    assert len(world.opened) == 1


async def test_a_replay_that_a_rebalance_interrupts_goes_on_after_the_last_whole_batch(world: World) -> None:
    world.observe(8)
    world.on_event = lambda: world.rebalance() if len(world.seen) == 3 else None
    assert not await world.run({A: 8})
    assert world.seen == [(0, offset) for offset in range(6)], "a batch of two, and one of four"
    assert world.opened[0][1].closed
    assert await world.run({A: 8})
    assert world.seen == [(0, offset) for offset in range(8)]
    assert world.opened[1][0] == {A: (6, 8)}


async def test_a_replay_that_a_rebalance_interrupts_takes_up_a_partition_where_it_was_left(world: World) -> None:
    world.observe(3, A)
    world.observe(3, B)
    world.on_event = lambda: world.rebalance() if len(world.seen) == 4 else None
    assert not await world.run({A: 3, B: 3})
    before = list(world.seen)
    world.observe(2, A)
    assert await world.run({A: 5}), "B is another's now"
    assert await world.run({A: 5, B: 3})
    assert sorted(world.seen) == [(0, offset) for offset in range(5)] + [(1, offset) for offset in range(3)]
    assert world.seen[: len(before)] == before


async def test_a_batch_of_the_past_that_takes_long_is_given_up_with_its_partitions_and_handed_in_anew(
    world: World,
) -> None:
    world.observe(2)
    never = asyncio.Event()
    agent = Agent()

    @agent.on_event("page.observed", replay=True)
    async def remember(event: Event) -> None:
        world.seen.append((event.partition, event.offset))
        if len(world.seen) <= 2:
            await never.wait()

    world.feed.on_hold = lambda: world.kafka.rebalance() if world.feed.holds == 2 else None
    routes = Routes(agent, [SourceTopic(name="pages", topic="pages")])
    ports = Ports(world.feed, FakeTransactions(world.kafka), world.open_history, world.kafka.clock)
    handling = Handling(ports, world.thread, build_dispatcher(routes), world.stop)
    replay = Replay(ports, world.thread, handling, frozenset({"pages"}), world.stop)
    assert not await replay.run({A: 2}, world.feed.generation)
    assert world.opened[0][1].closed
    assert await replay.run({A: 2}, world.feed.generation)
    assert world.seen == [(0, 0), (0, 1)] * 2


@pytest.mark.parametrize(
    ("committed", "ranges"),
    [
        pytest.param({OTHER: 25_000}, {OTHER: (15_000, 25_000)}, id="ten-thousand-offsets"),
        pytest.param(
            {OTHER: 25_000, LAST: 70}, {OTHER: (20_000, 25_000), LAST: (0, 70)}, id="shared-by-two-partitions"
        ),
        pytest.param({OTHER: 25_000, A: 9}, {OTHER: (15_000, 25_000), A: (0, 9)}, id="beside-a-topic-that-is-replayed"),
        pytest.param({OTHER: None}, {}, id="nothing-committed"),
    ],
)
async def test_of_a_topic_that_is_deduplicated_the_last_events_are_read_back(
    world: World, committed: dict[Partition, int | None], ranges: dict[Partition, tuple[int, int]]
) -> None:
    world.kafka.create_topic("other", 2)
    ports = Ports(world.feed, FakeTransactions(world.kafka), world.open_history, world.kafka.clock)
    replay = Replay(
        ports, world.thread, world.handling, frozenset({"pages"}), world.stop, deduplicated=frozenset({"other"})
    )
    for _ in range(2):
        assert await replay.run(committed, world.feed.generation)
    assert [each for each, _ in world.opened] == ([ranges] if ranges else []), "and only once"


async def test_a_stop_interrupts_a_replay(world: World) -> None:
    world.observe(6)
    world.on_event = world.stop.set
    assert not await world.run({A: 6})
    assert world.seen == [(0, 0), (0, 1)]
    assert world.opened[0][1].closed


async def test_the_group_hears_of_us_every_second_and_people_every_five(world: World) -> None:
    world.observe(20)
    holds = world.feed.holds

    def pass_time() -> None:
        world.kafka.clock.s += 0.6
        world.handling.size = BatchSize(1)

    world.on_event = pass_time
    with structlog.testing.capture_logs() as entries:
        assert await world.run({A: 20})
    assert world.feed.holds - holds in range(9, 12)
    assert [entry["event"] for entry in entries] == [
        "Replay begins",
        "Replay goes on",
        "Replay goes on",
        "Replay finished",
    ]
    assert (entries[0]["partitions"], entries[0]["offsets"]) == (1, 20)
    assert entries[-1]["records"] == 20
