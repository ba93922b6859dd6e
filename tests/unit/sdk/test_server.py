"""The server between polls and commits: whatever happens, each event is decided once."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from streamwarden.core.records import Partition
from streamwarden.runtime.server import run_start_hooks
from streamwarden_kafka.errors import ProducerFencedError
from support.sdk_fakes import FakeFeed, FakeTransactions, Outcome
from support.sdk_memory_world import A, B, World
from support.sdk_served import deciding_agent

if TYPE_CHECKING:
    from streamwarden import Event


@pytest.fixture
def world() -> World:
    return World()


async def test_decisions_and_the_positions_behind_their_events_are_committed_together(world: World) -> None:
    world.observe(0, 1, 2)
    async with world.serve(deciding_agent()) as served:
        await served.until(lambda: world.kafka.decisions)
        assert world.kafka.commits[0][A] == 3
    assert world.decided() == [(0, 0), (0, 1), (0, 2)]
    assert world.transactions.closed
    assert world.kafka.members == []


async def test_an_aborted_transaction_is_done_again_from_the_last_commit(world: World) -> None:
    world.transactions.script.append("abort")
    world.observe(0, 1)
    seen: list[int] = []
    async with world.serve(deciding_agent(lambda event: seen.append(event.offset))) as served:
        await served.until(world.caught_up)
    assert seen == [0, 1, 0, 1]
    assert world.decided() == [(0, 0), (0, 1)]
    assert world.transactions.opened == 1


@pytest.mark.parametrize(
    ("outcome", "handled"),
    [
        pytest.param("unknown, written", [0, 1], id="it-was-written"),
        pytest.param("unknown, not written", [0, 1, 0, 1], id="it-was-not-written"),
    ],
)
async def test_after_an_unknown_outcome_a_new_producer_goes_on_from_what_is_committed(
    world: World, outcome: Outcome, handled: list[int]
) -> None:
    world.transactions.script.append(outcome)
    world.observe(0, 1)
    seen: list[int] = []
    async with world.serve(deciding_agent(lambda event: seen.append(event.offset))) as served:
        await served.until(lambda: world.transactions.opened == 2)
        await served.until(world.caught_up)
    assert seen == handled
    assert world.decided() == [(0, 0), (0, 1)]


async def test_a_process_that_is_fenced_ends_and_writes_nothing(world: World) -> None:
    served = world.serve(deciding_agent())
    async with served:
        await served.until(lambda: served.ready)
        FakeTransactions(world.kafka).open()
        world.observe(0)
        await asyncio.wait({served.task})
        with pytest.raises(ProducerFencedError):
            served.task.result()
        served.task = asyncio.create_task(asyncio.sleep(0))
    assert world.kafka.decisions == []
    assert world.kafka.members == []
    assert world.transactions.closed


async def test_a_batch_of_a_member_that_was_expelled_is_not_written_and_read_again_by_its_next_owner(
    world: World,
) -> None:
    world.observe(0, 1)
    seen: list[int] = []

    def between_poll_and_commit(event: Event) -> None:
        seen.append(event.offset)
        if seen == [0, 1]:
            world.kafka.expel(world.feed)

    async with world.serve(deciding_agent(between_poll_and_commit)) as served:
        await served.until(world.caught_up)
    assert seen == [0, 1, 0, 1]
    assert world.decided() == [(0, 0), (0, 1)]


async def test_what_a_poll_brings_beside_a_rebalance_is_left_to_its_next_owner(world: World) -> None:
    seen: list[int] = []
    async with world.serve(deciding_agent(lambda event: seen.append(event.partition))) as served:
        await served.until(world.caught_up)
        other = FakeFeed(world.kafka, ["pages"])
        world.observe(0, at=A)
        world.observe(1, at=B)
        await served.until(lambda: not world.feed.joining)
        other.hold()
        mine = 1 - next(at.number for at in other.given or other.assigned)
        await served.until(lambda: seen)
        await served.until(lambda: world.kafka.committed[Partition("pages", mine)] == 1)
        world.kafka.members.remove(other)
    assert seen == [mine]
    assert world.decided() == [(mine, 0)]


async def test_an_event_that_takes_long_is_finished_while_the_group_hears_of_us(world: World) -> None:
    world.observe(0, 1, 2)
    enough, polls = asyncio.Event(), list[float]()
    loop = asyncio.get_running_loop()

    def on_poll() -> None:
        polls.append(world.kafka.clock.s)
        if len(world.kafka.decisions) == 2 and polls[-1] - polls[0] > 3:
            loop.call_soon_threadsafe(enough.set)

    world.feed.on_poll = on_poll

    async with world.serve(deciding_agent(lambda event: enough.wait() if event.offset == 1 else None)) as served:
        await served.until(lambda: len(world.kafka.decisions) == 3)
        assert all(after - before <= 0.25 for before, after in pairwise(polls))
        world.observe(3)
        await served.until(world.caught_up)
    assert world.decided() == [(0, 0), (0, 2), (0, 1), (0, 3)]
    assert world.feed.holds == 0


async def test_an_event_that_takes_long_is_left_where_its_partition_goes_elsewhere(world: World) -> None:
    world.observe(0)
    never, seen = asyncio.Event(), list[int]()

    def handle(event: Event) -> asyncio.Task[bool] | None:
        seen.append(event.offset)
        if len(seen) == 1:
            world.kafka.rebalance()
            return asyncio.ensure_future(never.wait())
        return None

    async with world.serve(deciding_agent(handle)) as served:
        await served.until(lambda: len(seen) == 2)
        await served.until(world.caught_up)
    assert world.decided() == [(0, 0)]


async def test_a_stop_waits_for_the_batch_under_way(world: World) -> None:
    world.observe(0)
    began, enough = asyncio.Event(), asyncio.Event()

    async def handle() -> None:
        began.set()
        await enough.wait()

    async with world.serve(deciding_agent(lambda _event: handle())) as served:
        await began.wait()
        served.stop.set()
        enough.set()
        await asyncio.wait({served.task})
    assert world.decided() == [(0, 0)]


async def test_a_stop_leaves_a_batch_that_takes_longer_than_the_grace(world: World) -> None:
    world.observe(0)
    began, never = asyncio.Event(), asyncio.Event()

    async def handle() -> None:
        began.set()
        await never.wait()

    async with world.serve(deciding_agent(lambda _event: handle())) as served:
        await began.wait()
        stopped_s = world.kafka.clock.s
        served.stop.set()
        await asyncio.wait({served.task})
    assert 10 <= world.kafka.clock.s - stopped_s < 12
    assert world.kafka.decisions == []
    assert A not in world.kafka.committed


async def test_a_lost_coordinator_is_asked_again_after_growing_pauses(world: World) -> None:
    world.feed.unanswered = 4
    began_s = world.kafka.clock.s
    world.observe(0)
    async with world.serve(deciding_agent()) as served:
        await served.until(lambda: world.kafka.decisions)
    assert world.feed.holds == 4
    assert world.kafka.clock.s - began_s >= 0.1 + 0.2 + 0.4 + 0.8


async def test_a_producer_that_cannot_be_opened_is_tried_again_and_the_group_hears_of_us(world: World) -> None:
    world.transactions.unanswered = 3
    world.observe(0)
    async with world.serve(deciding_agent()) as served:
        await served.until(lambda: world.kafka.decisions)
    assert world.feed.holds == 3


async def test_a_stop_ends_the_wait_for_kafka(world: World) -> None:
    world.transactions.unanswered = 1_000_000
    async with world.serve(deciding_agent()) as served:
        await served.until(lambda: world.feed.holds > 2)
    assert served.ready == 0


async def test_the_end_of_a_partition_is_committed_with_the_markers_before_it(world: World) -> None:
    world.observe(0, kind="page.closed")
    world.kafka.append_marker(A)
    world.kafka.append_marker(B)
    async with world.serve(deciding_agent()) as served:
        await served.until(world.caught_up)
    assert world.kafka.committed == {A: 2, B: 1}
    assert world.kafka.decisions == []


async def test_positions_without_decisions_are_committed_no_oftener_than_every_200_ms(world: World) -> None:
    at_s: list[float] = []

    def record() -> None:
        if world.kafka.commits and len(at_s) < len(world.kafka.commits):
            at_s.append(world.kafka.clock.s)
        world.observe(len(world.kafka.logs[A]), kind="page.closed")
        world.kafka.clock.s += 0.03

    world.feed.on_poll = record
    async with world.serve(deciding_agent()) as served:
        await served.until(lambda: len(at_s) > 5)
    gaps = [after - before for before, after in pairwise(at_s)]
    assert all(0.2 <= gap < 0.3 for gap in gaps), gaps
    assert world.caught_up(), "the rest is committed at the end"


async def test_positions_that_could_not_be_committed_are_tried_again(world: World) -> None:
    async with world.serve(deciding_agent()) as served:
        await served.until(world.caught_up)
        world.feed.unanswered = 2
        world.observe(0, kind="page.closed")
        await served.until(world.caught_up)
    assert world.feed.unanswered == 0
    assert world.kafka.committed == {A: 1, B: 0}


async def test_an_agent_is_ready_once_it_has_joined_even_where_it_is_given_nothing() -> None:
    world = World()
    world.kafka.logs.clear()
    async with world.serve(deciding_agent()) as served:
        await served.until(lambda: served.ready)
        world.kafka.rebalance()
        await served.until(lambda: not world.feed.joining)
    assert served.ready == 1


async def test_handlers_say_before_the_first_event_what_they_need() -> None:
    order: list[str] = []

    async def second() -> None:
        order.append("second")

    await run_start_hooks([lambda: order.append("first"), second])
    assert order == ["first", "second"]
