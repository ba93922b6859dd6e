"""X21: an event that takes long delays no other but those with its key, and nothing is handled twice for it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from random import Random

import pytest
import structlog
from streamwarden import Agent, Decision, Event
from streamwarden.core.offset_metadata import MAX_AHEAD, encode
from support.sdk_fakes import FakeFeed, FakeTransactions
from support.sdk_memory_world import A, B, World
from support.sdk_served import Served, deciding_agent
from typing_extensions import override

TOPIC_ID = "id+of/pages"


class PodsWorld(World):
    """One pod of the agent after another, whose handler waits for the events of page 0."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = asyncio.Event()
        self.seen: list[int] = []
        """Offsets of events that were handed to a handler."""

    @override
    def serve(self, agent: Agent | None = None) -> Served:
        if self.feed not in self.kafka.members:
            self.feed = FakeFeed(self.kafka, ["pages"])
            self.transactions = FakeTransactions(self.kafka)
        return super().serve(agent or deciding_agent(self.wait_for_page_0))

    def wait_for_page_0(self, event: Event) -> asyncio.Task[bool] | None:
        self.seen.append(event.offset)
        return asyncio.ensure_future(self.slow.wait()) if event.entity == "page-0" else None


@pytest.fixture
def world() -> PodsWorld:
    return PodsWorld()


async def kill(world: PodsWorld, served: Served) -> None:
    """End a server as a kill does: what it has not committed is lost, and its member is expelled."""
    served.task.cancel()
    await asyncio.wait({served.task})
    served.task = asyncio.create_task(asyncio.sleep(0))
    assert world.kafka.members == []


async def test_x21_decisions_of_other_keys_are_committed_while_one_key_waits(world: PodsWorld) -> None:
    world.observe(0, 1, 0, 2)
    async with world.serve() as served:
        await served.until(lambda: len(world.kafka.decisions) == 2)
        assert (world.kafka.committed[B], world.kafka.offset_metadata) == (0, {A: encode(TOPIC_ID, 0, 0b101)})
        at_s = dict[int, float]()

        def on_poll() -> None:
            if not at_s:
                world.observe(3)
            at_s.setdefault(len(world.kafka.decisions), world.kafka.clock.s)

        world.feed.on_poll = on_poll
        await served.until(lambda: 3 in at_s)
        assert at_s[3] - at_s[2] < 0.05
        assert world.kafka.committed[A] == 0, "the low watermark: what the operator counts lag from"
        world.slow.set()
        await served.until(world.caught_up)
    assert world.decided() == [(0, 1), (0, 3), (0, 4), (0, 0), (0, 2)]
    assert world.kafka.offset_metadata == {}
    assert world.seen == [0, 1, 3, 4, 2]


async def test_x21_what_was_finished_beyond_the_watermark_is_not_handled_again_after_a_kill(world: PodsWorld) -> None:
    world.observe(0, 1, 0, 2)
    async with world.serve() as served:
        await served.until(lambda: len(world.kafka.decisions) == 2)
        await kill(world, served)
    world.slow.set()
    world.seen.clear()
    world.observe(3)
    async with world.serve() as served:
        await served.until(world.caught_up)
    assert sorted(world.seen) == [0, 2, 4]
    assert sorted(world.decided()) == [(0, offset) for offset in range(5)]


async def test_x21_nor_after_a_rebalance(world: PodsWorld) -> None:
    world.observe(0, 1, 2)
    async with world.serve() as served:
        await served.until(lambda: len(world.kafka.decisions) == 2)
        generation = world.feed.generation
        world.kafka.rebalance()
        await served.until(lambda: world.feed.generation > generation)
        world.slow.set()
        await served.until(world.caught_up)
    assert Counter(world.seen) == {0: 2, 1: 1, 2: 1}
    assert sorted(world.decided()) == [(0, 0), (0, 1), (0, 2)]


async def test_x21_events_without_decisions_are_remembered_too(world: PodsWorld) -> None:
    agent, seen, slow = Agent(), list[int](), asyncio.Event()

    @agent.on_event("page.observed")
    async def handle(event: Event) -> None:
        seen.append(event.offset)
        if event.entity == "page-0":
            await slow.wait()

    world.observe(0, 1, 2)
    async with world.serve(agent) as served:
        await served.until(lambda: A in world.kafka.offset_metadata)
        await kill(world, served)
    slow.set()
    async with world.serve(agent) as served:
        await served.until(world.caught_up)
    assert seen == [0, 1, 2, 0]


async def test_x21_a_stop_commits_what_is_done_and_leaves_what_waits_behind_a_slow_event(world: PodsWorld) -> None:
    world.observe(*[0] * 5, 1, 2)
    async with world.serve() as served:
        await served.until(lambda: len(world.kafka.decisions) == 2)
        served.stop.set()
        await asyncio.sleep(0.01)
        world.slow.set()
        await asyncio.wait({served.task})
    assert sorted(world.decided()) == [(0, 0), (0, 5), (0, 6)]
    assert world.kafka.committed[A] == 1
    assert world.kafka.offset_metadata == {A: encode(TOPIC_ID, 1, 0b11000)}


async def test_x21_a_partition_is_paused_where_no_commit_could_name_what_is_finished(world: PodsWorld) -> None:
    world.observe(0)
    for _ in range(MAX_AHEAD):
        world.kafka.append_marker(A)
    world.observe(1)
    world.kafka.append_marker(A)
    with structlog.testing.capture_logs() as entries:
        async with world.serve() as served:
            await served.until(lambda: any("paused" in entry["event"] for entry in entries))
            world.observe(2, at=B)
            await served.until(lambda: world.kafka.decisions)
            assert world.decided() == [(1, 0)]
            world.slow.set()
            await served.until(world.caught_up)
            assert world.kafka.committed[A] == MAX_AHEAD + 3, "with the marker at the end"
            world.observe(3)
            await served.until(world.caught_up)
    assert world.decided() == [(1, 0), (0, 0), (0, MAX_AHEAD + 1), (0, MAX_AHEAD + 3)]
    assert [entry["partition"] for entry in entries if "paused" in entry["event"]] == [0]


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        pytest.param("2;who;knows", "it is not of format 1", id="of-a-later-format"),
        pytest.param(encode("AAAA", 1, 0b1), f"it is of the topic AAAA; this one is {TOPIC_ID}", id="of-another-topic"),
    ],
)
async def test_x21_metadata_that_says_nothing_of_the_offset_is_told_once_and_events_come_again(
    world: PodsWorld, metadata: str, problem: str
) -> None:
    world.observe(1, 2, 3)
    world.kafka.committed, world.kafka.offset_metadata = {A: 1}, {A: metadata}
    with structlog.testing.capture_logs() as entries:
        async with world.serve() as served:
            await served.until(lambda: served.ready)
            world.kafka.rebalance()
            await served.until(world.caught_up)
    told = [entry for entry in entries if "says nothing" in entry["event"]]
    assert [(entry["topic"], entry["partition"], entry["offset"], entry["problem"]) for entry in told] == [
        ("pages", 0, 1, problem)
    ]
    assert sorted(world.decided()) == [(0, 1), (0, 2)]


async def test_x21_memory_is_rebuilt_from_all_that_was_finished_and_from_nothing_else(world: PodsWorld) -> None:
    agent, seen = Agent(), list[tuple[str, int]]()

    @agent.on_event("page.labelled", replay=True)
    def learn(event: Event) -> None:
        seen.append(("learn", event.offset))

    @agent.on_event("page.observed")
    def decide(event: Event) -> Decision:
        seen.append(("decide", event.offset))
        return Decision("block-page")

    world.observe(0, 1, kind="page.labelled")
    world.observe(2)
    world.observe(3, 4, 5, kind="page.labelled")
    world.kafka.committed, world.kafka.offset_metadata = {A: 1}, {A: encode(TOPIC_ID, 1, 0b110)}  # 3 and 4
    async with world.serve(agent) as served:
        await served.until(world.caught_up)
        world.kafka.rebalance()
        world.observe(6)
        await served.until(world.caught_up)
    assert seen == [("learn", 0), ("learn", 3), ("learn", 4), ("learn", 1), ("decide", 2), ("learn", 5), ("decide", 6)]


async def test_x21_what_others_have_finished_out_of_order_is_learnt_when_the_partition_comes_back(
    world: PodsWorld,
) -> None:
    agent, seen = Agent(), list[int]()

    @agent.on_event("page.labelled", replay=True)
    def learn(event: Event) -> None:
        seen.append(event.offset)

    world.observe(0, 1, kind="page.labelled")
    async with world.serve(agent) as served:
        await served.until(world.caught_up)
        world.observe(2, 3, 4, kind="page.labelled", at=B)
        world.kafka.committed[B] = 0
        world.kafka.offset_metadata[B] = encode(TOPIC_ID, 0, 0b10)
        world.kafka.rebalance()
        await served.until(world.caught_up)
    assert seen[:2] == [0, 1]
    assert sorted(seen[2:]) == [0, 1, 2]


def random_agent(random: Random) -> Agent:
    agent = Agent(concurrency=4)

    @agent.on_event("page.observed")
    async def decide(_event: Event) -> Decision:
        for _ in range(random.choice([0, 0, 0, 1, 5, 40])):
            await asyncio.sleep(0)
        if random.random() < 0.05:
            raise RuntimeError("now and then")
        return Decision("block-page")

    return agent


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
async def test_x21_every_event_has_one_answer_and_keys_keep_their_order_through_kills_and_aborts(
    world: PodsWorld, seed: int
) -> None:
    random = Random(seed)  # noqa: S311  # a script of faults, not a secret
    for _ in range(4):
        async with world.serve(random_agent(random)) as served:
            for _ in range(random.randrange(3, 12)):
                world.observe(*random.choices(range(8), k=random.randrange(1, 9)), at=random.choice([A, B]))
                if random.random() < 0.3:
                    world.kafka.append_marker(A)
                if random.random() < 0.2:
                    world.transactions.script.append(
                        random.choice(["abort", "unknown, written", "unknown, not written"])
                    )
                if random.random() < 0.1:
                    world.kafka.rebalance()
                for _ in range(random.randrange(60)):
                    await asyncio.sleep(0)
                await asyncio.sleep(random.random() / 200)
            await kill(world, served)
    async with world.serve(random_agent(random)) as served:
        await served.until(world.caught_up)
    answers = [json.loads(each.value)["cause"] for each in world.kafka.decisions]
    places = [(each["partition"], each["offset"]) for each in answers]
    events = {
        (at.number, each.offset): each.key for at, log in world.kafka.logs.items() for each in log if each is not None
    }
    assert sorted(places) == sorted(events)
    for at in (A, B):
        for key in {each for each in events.values() if each is not None}:
            of_key = [offset for number, offset in places if number == at.number and events[number, offset] == key]
            assert of_key == sorted(of_key)
    assert world.kafka.offset_metadata == {}
