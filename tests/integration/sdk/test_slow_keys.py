"""X21 on Kafka: what finished beyond the low watermark travels with it, and a partition can be paused."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from streamwarden.core.offset_metadata import MAX_AHEAD, encode
from streamwarden.core.records import Outgoing, Partition
from support.kafka_tools import WAIT_S
from support.sdk_served import Served, deciding_agent, offsets_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streamwarden import Event
    from streamwarden.core.records import Record
    from streamwarden.runtime.ports import Feed
    from support.sdk_worlds import World

_NOT_ON_KFAKE = pytest.mark.parametrize(
    "world", ["memory", pytest.param("apache", marks=pytest.mark.broker)], indirect=True
)
"""kfake knows no group before its first commit."""

LONGEST = encode("x" * 64, 10**18 - 1, (1 << MAX_AHEAD) - 1)
DECISION = Outgoing(
    b"page-0",
    b'{"type":"block-page","entity":"page-0","parameters":{},"cause":{"topic":"pages","partition":0,"offset":0}}',
    (),
)


def poll_until(feed: Feed, holds: Callable[[list[Record]], object]) -> list[Record]:
    """Poll, and return all that came until ``holds`` is true of it."""
    found: list[Record] = []
    deadline = time.monotonic() + WAIT_S
    while not holds(found):
        assert time.monotonic() < deadline, found
        found += feed.poll(records=100, size=1_000_000, timeout_s=0.1).records
    return found


def join(feed: Feed) -> None:
    poll_until(feed, lambda _found: len(feed.committed()) == 2)


def test_the_longest_metadata_is_committed_with_decisions_and_read_by_the_next_member(world: World) -> None:
    at, other = Partition(world.topic, 0), Partition(world.topic, 1)
    with closing(world.feed()) as feed, closing(world.transactions()) as transactions:
        join(feed)
        transactions.open()
        transactions.commit([DECISION], {at: 5, other: 7}, feed.metadata(), {at: LONGEST})
    with closing(world.feed()) as feed:
        join(feed)
        assert feed.committed() == {at: 5, other: 7}
        assert feed.offset_metadata == {at: LONGEST}
        assert feed.topic_ids[world.topic]


def test_metadata_is_committed_without_decisions_too_and_goes_with_the_next_commit(world: World) -> None:
    at = Partition(world.topic, 0)
    with closing(world.feed()) as feed:
        join(feed)
        feed.commit({at: 5}, {at: LONGEST})
        feed.committed()
        assert feed.offset_metadata == {at: LONGEST}
        feed.commit({at: 6})
        feed.committed()
        assert feed.offset_metadata == {}


def test_a_partition_that_is_paused_goes_on_where_it_was_and_the_others_meanwhile(world: World) -> None:
    at, other = Partition(world.topic, 0), Partition(world.topic, 1)
    world.observe(0, 1)
    world.observe(2, partition=1)
    with closing(world.feed()) as feed:
        join(feed)
        feed.start({at: None, other: None})
        first = poll_until(feed, lambda found: len(found) == 3)
        feed.pause(frozenset({at}))
        world.observe(3, 4)
        world.observe(5, partition=1)
        meanwhile = poll_until(feed, lambda found: found)
        meanwhile += feed.poll(records=100, size=1_000_000, timeout_s=1.0).records
        feed.pause(frozenset({other}))
        then = poll_until(feed, lambda found: len(found) == 2)
        feed.start({at: 1, other: 1})
        again = poll_until(feed, lambda found: len(found) == 4)
    assert sorted((each.partition, each.offset) for each in first) == [(0, 0), (0, 1), (1, 0)]
    assert [(each.partition, each.offset) for each in meanwhile] == [(1, 1)]
    assert [(each.partition, each.offset) for each in then] == [(0, 2), (0, 3)]
    assert offsets_of(each for each in again if each.partition == 0) == [1, 2, 3]


@_NOT_ON_KFAKE
async def test_x21_a_slow_key_delays_no_other_and_nothing_is_decided_twice_for_it(world: World) -> None:
    slow, seen = asyncio.Event(), list[tuple[int, int]]()

    def wait(event: Event) -> Awaitable[object] | None:
        seen.append((event.partition, event.offset))
        return slow.wait() if event.entity == "page-0" else None

    world.observe(0, *range(1, 10), 0)
    world.observe(*range(10, 20), partition=1)
    others = [(0, offset) for offset in range(1, 10)] + [(1, offset) for offset in range(10)]
    async with Served(world.ports(), deciding_agent(wait), world.topic) as served:
        await served.until(lambda: world.decided() == others)
        assert world.committed()[Partition(world.topic, 0)] == 0
        served.task.cancel()  # as it were killed: nothing is committed on the way out
        await asyncio.wait({served.task})
        served.task = asyncio.create_task(asyncio.sleep(0))
    slow.set()
    before = len(seen)
    async with Served(world.ports(), deciding_agent(wait), world.topic) as served:
        await served.until(lambda: world.committed() == world.ends())
    assert seen[before:] == [(0, 0), (0, 10)]
    assert world.decided() == [(0, offset) for offset in range(11)] + [(1, offset) for offset in range(10)]
