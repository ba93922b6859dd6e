"""What the server makes of a log itself: what was committed before, a topic made again, records that are gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import structlog
from streamwarden import Agent, Decision, Event
from streamwarden.core.records import Partition, Record
from streamwarden.core.routing import Routes
from streamwarden.runtime.server import Server
from streamwarden_contract.runtime_config import SourceTopic
from streamwarden_kafka.errors import BrokerUnavailableError, NotAMemberError
from support.sdk_fakes import FakeKafka, fake_ports
from support.sdk_memory_world import A, B, World
from support.sdk_served import build_dispatcher, deciding_agent, page_headers

if TYPE_CHECKING:
    from collections.abc import Sequence

OTHER = Partition("other", 0)


@pytest.fixture
def world() -> World:
    return World()


def remembering_agent(seen: list[tuple[str, int]]) -> Agent:
    agent = Agent()

    @agent.on_event("page.labelled", replay=True)
    def learn(event: Event) -> Decision:
        seen.append(("learn", event.offset))
        return Decision("never")

    @agent.on_event("page.observed")
    def decide(event: Event) -> None:
        seen.append(("decide", event.offset))

    return agent


async def test_what_was_committed_before_the_start_is_replayed_and_decides_nothing(world: World) -> None:
    world.observe(0, 1, kind="page.labelled")
    world.observe(2)
    world.kafka.append_marker(A)
    world.observe(3)
    world.kafka.committed[A] = 4
    seen: list[tuple[str, int]] = []
    async with world.serve(remembering_agent(seen)) as served:
        await served.until(world.caught_up)
    assert seen == [("learn", 0), ("learn", 1), ("decide", 4)]
    assert world.kafka.decisions == []


async def test_what_the_handlers_remember_is_not_replayed_when_a_partition_comes_back(world: World) -> None:
    world.observe(0, 1, kind="page.labelled")
    world.kafka.committed[A] = 1
    seen: list[tuple[str, int]] = []
    async with world.serve(remembering_agent(seen)) as served:
        await served.until(world.caught_up)
        generation = world.feed.generation
        world.kafka.rebalance()
        await served.until(lambda: world.feed.generation > generation)
        world.observe(2)
        await served.until(world.caught_up)
    assert seen == [("learn", 0), ("learn", 1), ("decide", 2)]


async def test_x20_a_topic_that_was_made_again_is_read_from_its_beginning_and_committed(world: World) -> None:
    world.observe(0, 1, 2)
    async with world.serve(deciding_agent()) as served:
        await served.until(world.caught_up)
        with structlog.testing.capture_logs() as entries:
            world.kafka.logs[A].clear()
            world.observe(7, 8)
            await served.until(world.caught_up)
        world.observe(9)
        await served.until(world.caught_up)
    assert world.decided() == [(0, 0), (0, 1), (0, 2), (0, 0), (0, 1), (0, 2)]
    assert world.kafka.committed[A] == 3
    told = [
        (entry["topic"], entry["partition"], entry["behind"]) for entry in entries if "made again" in entry["event"]
    ]
    assert told == [("pages", 0, 1)]


async def test_x20_a_new_topic_that_is_empty_is_committed_at_its_beginning(world: World) -> None:
    world.observe(0, 1, 2)
    async with world.serve(deciding_agent()) as served:
        await served.until(world.caught_up)
        world.kafka.logs[A].clear()
        await served.until(world.caught_up)
    assert world.kafka.committed[A] == 0


async def test_x20_what_handlers_remember_of_the_old_topic_hides_nothing_of_the_new_one(world: World) -> None:
    world.observe(0, 1, 2, kind="page.labelled")
    seen: list[tuple[str, int]] = []
    async with world.serve(remembering_agent(seen)) as served:
        await served.until(world.caught_up)
        world.kafka.logs[A].clear()
        world.observe(7, kind="page.labelled")
        await served.until(world.caught_up)
        world.kafka.rebalance()
        world.observe(8)
        await served.until(world.caught_up)
    assert seen == [("learn", 0), ("learn", 1), ("learn", 2), ("learn", 0), ("decide", 1)]


@pytest.mark.parametrize("late", [False, True], ids=["at-once", "once-more-committed-by-who-has-not-heard-of-it"])
async def test_x20_a_topic_that_was_made_again_and_reaches_our_position_is_not_taken_for_the_old_one(
    world: World, *, late: bool
) -> None:
    world.observe(0, 1, 2)
    async with world.serve(deciding_agent()) as served:
        await served.until(world.caught_up)
        with structlog.testing.capture_logs() as entries:
            world.kafka.make_again("pages")
            world.observe(7, 8, 9, 10)
            if late:
                world.kafka.committed[A] = 3
            world.kafka.rebalance()
            await served.until(world.caught_up)
        world.kafka.rebalance()
        world.observe(11)
        await served.until(world.caught_up)
    assert world.decided() == [(0, 0), (0, 1), (0, 2), *((0, offset) for offset in range(5))]
    told = [(entry["topic"], entry["partitions"]) for entry in entries if "made again" in entry["event"]]
    assert told == [("pages", 2)]


async def test_x20_a_topic_that_reaches_our_position_only_when_we_ask_is_read_from_its_beginning(world: World) -> None:
    world.observe(0, 1, 2)
    async with world.serve(deciding_agent()) as served:
        await served.until(world.caught_up)
        world.kafka.make_again("pages")
        asked = world.feed.logs

        def logs(partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
            world.feed.logs = asked  # type: ignore[method-assign]  # once
            world.observe(7, 8, 9, 10)
            return asked(partitions)

        world.feed.logs = logs  # type: ignore[method-assign]  # the topic grows before the answer
        await served.until(lambda: len(world.kafka.decisions) == 7 and world.caught_up())
    assert world.decided() == [(0, 0), (0, 1), (0, 2), *((0, offset) for offset in range(4))]


async def test_x20_a_topic_is_begun_anew_though_no_broker_answers_at_first(world: World) -> None:
    world.observe(0, 1, 2)
    async with world.serve(deciding_agent()) as served:
        await served.until(world.caught_up)
        world.kafka.make_again("pages")
        world.observe(7, 8, 9, 10)
        world.kafka.committed[A] = 3
        world.feed.unanswered = 2
        world.kafka.rebalance()
        await served.until(world.caught_up)
    assert world.decided() == [(0, 0), (0, 1), (0, 2), *((0, offset) for offset in range(4))]


def give(world: World, *partitions: Partition) -> None:
    """Let the member have these partitions from now on, as though others had the rest."""

    def assign() -> None:
        FakeKafka.assign(world.kafka)
        for member in world.kafka.members:
            member.given = frozenset(partitions)

    world.kafka.assign = assign  # type: ignore[method-assign]  # the group's other member is played by the test
    world.kafka.rebalance()


@pytest.mark.parametrize("first", [(OTHER,), ()], ids=["who-read-another-topic", "who-read-nothing"])
async def test_x20_a_pod_that_did_not_read_a_topic_undoes_nothing_that_another_did_since_it_was_made_again(
    world: World, first: tuple[Partition, ...]
) -> None:
    world.kafka.create_topic("other")
    world.feed.topics = frozenset({"pages", "other"})
    world.observe(0, 1, kind="page.labelled")
    world.kafka.committed[A] = 2
    seen: list[tuple[str, int]] = []
    async with world.serve(remembering_agent(seen)) as served:
        await served.until(world.caught_up)
        with structlog.testing.capture_logs() as entries:
            give(world, *first)
            await served.until(lambda: len(first) in [entry.get("partitions") for entry in entries])
        world.observe(2)
        world.kafka.make_again("pages")
        world.observe(7, 8, 9, kind="page.labelled")
        world.kafka.committed[A] = 3  # by the other pod, which knows
        with structlog.testing.capture_logs() as entries:
            give(world, A, B, OTHER)
            await served.until(lambda: world.feed.assigned > set(first))
            world.observe(10)
            await served.until(lambda: world.kafka.committed[A] == 4)
    assert [entry for entry in entries if "made again" in entry["event"]] == []
    assert seen == [("learn", 0), ("learn", 1), ("learn", 0), ("learn", 1), ("learn", 2), ("decide", 3)]


async def test_x20_a_pod_that_has_nothing_while_the_group_gives_out_partitions_still_knows_what_it_read(
    world: World,
) -> None:
    world.observe(0, 1, 2)
    async with world.serve(deciding_agent()) as served:
        await served.until(world.caught_up)
        metadata, between = world.feed.metadata, list[int]()

        def none_now() -> object:
            between.append(1)
            raise NotAMemberError("between two generations")

        world.feed.metadata = none_now  # type: ignore[method-assign]  # the fake gives partitions out at once
        with structlog.testing.capture_logs() as entries:
            give(world)
            await served.until(lambda: [entry.get("partitions") for entry in entries] == [0])
        assert between
        world.feed.metadata = metadata  # type: ignore[method-assign]
        world.kafka.make_again("pages")
        world.observe(7, 8, 9, 10)
        world.kafka.committed[A] = 3  # by us, before we heard of it
        give(world, A, B)
        await served.until(lambda: world.kafka.committed[A] == 4)
    assert world.decided() == [(0, 0), (0, 1), (0, 2), *((0, offset) for offset in range(4))]


async def test_x27_records_lost_to_retention_are_counted_and_told(world: World) -> None:
    world.observe(0, 1, 2, 3, 4)
    world.kafka.committed[A] = 1
    world.kafka.first[A] = 3
    with structlog.testing.capture_logs() as entries:
        async with world.serve(deciding_agent()) as served:
            await served.until(world.caught_up)
    assert world.decided() == [(0, 3), (0, 4)]
    told = [entry for entry in entries if entry["event"] == "Records were removed before they were read"]
    assert [(entry["offsets"], entry["all_offsets"], entry["go_on"]) for entry in told] == [(2, 2, 3)]


async def test_x27_a_broker_that_does_not_answer_is_asked_again_where_the_log_begins(world: World) -> None:
    world.observe(0, 1, 2)
    world.kafka.committed[A] = 1
    world.kafka.first[A] = 2
    answers = world.feed.logs
    failing = [BrokerUnavailableError("_TIMED_OUT")] * 2

    def logs(partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        if failing:
            raise failing.pop()
        return answers(partitions)

    world.feed.logs = logs  # type: ignore[method-assign]  # only this request is not answered
    async with world.serve(deciding_agent()) as served:
        await served.until(world.caught_up)
    assert world.decided() == [(0, 2)]


async def test_an_attempt_that_fails_is_in_the_log_before_the_wait_for_the_next(world: World) -> None:
    agent, waits = Agent(), list[list[object]]()

    @agent.on_event("page.observed")
    def fail(_event: Event) -> None:
        raise ValueError("no")

    with structlog.testing.capture_logs() as entries:

        async def wait(_seconds: float) -> None:
            waits.append([*entries])

        routes = Routes(agent, [SourceTopic(name="pages", topic="pages")])
        dispatcher = build_dispatcher(routes, wait)
        Server(
            fake_ports(world.kafka, world.feed, world.transactions),
            dispatcher,
            replayed_topics=frozenset(),
            deduplicated_topics=frozenset(),
            stop=asyncio.Event(),
            on_joined=lambda: None,
        )
        handled = await dispatcher.handle_one(Record("pages", 0, 7, 0, b"a", b"{}", tuple(page_headers(0))))
    assert handled.failure is not None
    told = {
        "event": "Handler failed; its event is tried again",
        "log_level": "warning",
        "topic": "pages",
        "partition": 0,
        "offset": 7,
        "attempt": 1,
        "error": handled.failure.error,
        "wait_s": 1.0,
    }
    assert waits == [[told]]
