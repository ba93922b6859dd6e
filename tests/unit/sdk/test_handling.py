"""A batch goes through the handlers while the group hears of us; it is left where it is not ours to finish."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import structlog
from streamwarden import Agent, Event
from streamwarden.core.records import Handled, Partition, Record
from streamwarden.core.routing import Routes
from streamwarden.runtime.client_thread import ClientThread
from streamwarden.runtime.handling import Handling
from streamwarden_contract.runtime_config import SourceTopic
from support.sdk_fakes import FakeFeed, FakeKafka, FakeTransactions, fake_ports
from support.sdk_served import build_dispatcher, page_headers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


class World:
    """One member of the group, and an agent whose only handler awaits what a test gives it."""

    def __init__(self) -> None:
        self.kafka = FakeKafka()
        self.kafka.create_topic("pages")
        self.feed = FakeFeed(self.kafka, ["pages"])
        self.feed.hold()
        self.feed.holds = 0
        self.stop = asyncio.Event()
        self.act: Callable[[Event], Awaitable[object]] = self._nothing
        self.thread = ClientThread()
        agent = Agent()

        @agent.on_event("page.observed", replay=True)
        async def handle(event: Event) -> None:
            await self.act(event)

        routes = Routes(agent, [SourceTopic(name="pages", topic="pages")])
        ports = fake_ports(self.kafka, self.feed, FakeTransactions(self.kafka))
        self.handling = Handling(ports, self.thread, build_dispatcher(routes, self.kafka.clock.sleep), self.stop)

    async def handle(self, *records: Record, replay: bool = False) -> list[Handled] | None:
        return await self.handling.handle(records, self.feed.generation, replay=replay)

    @staticmethod
    async def _nothing(_event: Event) -> None:
        """Return at once."""


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.thread.close()


def page(offset: int, *, value: bytes = b"{}") -> Record:
    return Record("pages", 0, offset, 0, f"page-{offset}".encode(), value, tuple(page_headers(offset)))


async def test_a_batch_that_is_done_at_once_holds_nothing_and_the_next_may_be_larger(world: World) -> None:
    full = world.handling.size.records
    handled = await world.handle(*(page(offset) for offset in range(full)))
    assert handled is not None
    assert [each.record.offset for each in handled] == list(range(full))
    assert world.feed.holds == 0
    assert world.handling.size.records == 2 * full


async def test_a_batch_that_takes_long_is_held_every_second_and_the_next_is_smaller(world: World) -> None:
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_hold() -> None:
        if world.feed.holds == 3:
            loop.call_soon_threadsafe(enough.set)

    world.feed.on_hold = on_hold
    world.act = lambda _event: enough.wait()
    began_s = world.kafka.clock.s
    assert await world.handle(page(0), page(1)) is not None
    assert (world.feed.holds, world.kafka.clock.s - began_s) == (3, 3.0)
    assert world.handling.size.records == 1


async def cancelled_when(event: asyncio.Event, cancelled: list[int], offset: int) -> None:
    try:
        await event.wait()
    except asyncio.CancelledError:
        cancelled.append(offset)
        raise


async def test_a_batch_whose_partitions_went_elsewhere_is_given_up_and_its_handlers_end(world: World) -> None:
    never, cancelled = asyncio.Event(), list[int]()
    world.act = lambda event: cancelled_when(never, cancelled, event.offset)
    world.feed.on_hold = lambda: world.kafka.rebalance() if world.feed.holds == 2 else None
    before = world.handling.size
    with structlog.testing.capture_logs() as entries:
        assert await world.handle(page(0), page(1)) is None
    assert sorted(cancelled) == [0, 1]
    assert world.handling.size == before
    assert [(entry["event"], entry["records"]) for entry in entries] == [
        ("Batch left to the next owner of its partitions", 2)
    ]


@pytest.mark.slow
async def test_a_batch_that_took_long_already_has_all_of_the_grace_from_the_stop(world: World) -> None:
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()
    began_s = world.kafka.clock.s

    def on_hold() -> None:
        if world.kafka.clock.s - began_s == 30:
            loop.call_soon_threadsafe(world.stop.set)
        if world.kafka.clock.s - began_s == 38:
            loop.call_soon_threadsafe(enough.set)

    world.feed.on_hold = on_hold
    world.act = lambda _event: enough.wait()
    assert await world.handle(page(0)) is not None
    assert world.kafka.clock.s - began_s == 38


async def test_a_batch_that_takes_longer_than_the_grace_is_left(world: World) -> None:
    world.act = lambda _event: asyncio.Event().wait()
    world.stop.set()
    began_s = world.kafka.clock.s
    assert await world.handle(page(0)) is None
    assert world.kafka.clock.s - began_s == 11


async def test_no_handler_goes_on_where_the_group_cannot_be_heard(world: World) -> None:
    never, cancelled = asyncio.Event(), list[int]()
    world.act = lambda event: cancelled_when(never, cancelled, event.offset)

    def on_hold() -> None:
        raise RuntimeError("the consumer cannot go on")

    world.feed.on_hold = on_hold
    with pytest.raises(RuntimeError, match="cannot go on"):
        await world.handle(page(0))
    assert cancelled == [0]


async def fail(_event: Event) -> None:
    raise ValueError("no")


@pytest.mark.parametrize(
    ("replay", "value", "told"),
    [
        pytest.param(False, b"{}", [("Handle", 2, "ValueError: no", False)], id="a-handler-that-fails"),
        pytest.param(True, b"{}", [("Handle", 2, "ValueError: no", True)], id="a-handler-that-fails-in-a-replay"),
        pytest.param(False, b"{", [("Decode", 1, None, False)], id="what-does-not-decode"),
        pytest.param(True, b"{", [], id="what-did-not-decode-when-it-was-new-either"),
    ],
)
async def test_an_event_that_is_given_up_is_told(
    world: World,
    replay: bool,  # noqa: FBT001  # a case's own word
    value: bytes,
    told: list[tuple[str, int, str | None, bool]],
) -> None:
    world.act = fail
    with structlog.testing.capture_logs() as entries:
        handled = await world.handle(page(5, value=value), replay=replay)
    assert handled is not None
    assert handled[0].failure is not None
    expected = [
        {
            "event": "Event given up",
            "log_level": "warning",
            "topic": "pages",
            "partition": 0,
            "offset": 5,
            "stage": stage,
            "attempts": attempts,
            "error": error or handled[0].failure.error,
            "source": "/web",
            "count": 1,
            "replay": again,
        }
        for stage, attempts, error, again in told
    ]
    assert [{**entry, "error": str(entry["error"]).partition(" (")[0]} for entry in entries] == expected


async def test_x25_attributes_that_are_dropped_cost_no_event_and_are_counted_by_source(world: World) -> None:
    headers = (*page_headers(0), ("ce_time", b"yesterday"), ("ce_dataschema", None))
    records = [Record("pages", 0, offset, 0, b"page-0", b"{}", headers) for offset in range(3)]
    with structlog.testing.capture_logs() as entries:
        handled = await world.handle(*records)
    assert handled is not None
    assert [(each.failure, each.dropped) for each in handled] == [(None, frozenset({"time", "dataschema"}))] * 3
    assert [(entry["source"], entry["attribute"], entry["count"]) for entry in entries] == [
        ("/web", "ce_dataschema", 1),
        ("/web", "ce_time", 1),
        ("/web", "ce_dataschema", 2),
        ("/web", "ce_time", 2),
    ]


async def test_commands_that_are_passed_over_are_counted_and_told(world: World) -> None:
    headers = [*page_headers(1), ("sw-verdict", b"Allow")]
    for _ in range(4):
        world.kafka.append(Partition("pages", 0), b"page-1", b"{}", headers)
    records = [record for record in world.kafka.logs[Partition("pages", 0)] if record is not None]
    with structlog.testing.capture_logs() as entries:
        handled = await world.handle(*records)
    assert handled is not None
    assert [each.repeated for each in handled] == [False, True, True, True]
    told = [entry for entry in entries if entry["event"] == "Command passed over: its id was handled before"]
    assert [(entry["topic"], entry["count"]) for entry in told] == [("pages", 1), ("pages", 2)]
