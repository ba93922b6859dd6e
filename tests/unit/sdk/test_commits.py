"""What a turn came to is committed whole; what did not hold means going back to the last commit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import structlog
from streamwarden.core.records import Outgoing, Partition
from streamwarden.runtime.client_thread import ClientThread
from streamwarden.runtime.commits import Commits
from streamwarden.runtime.pauses import Pauses
from streamwarden.runtime.ports import Polled
from streamwarden_kafka.errors import NotAMemberError, ProducerFencedError, ProducersHangError
from support.sdk_fakes import FakeFeed, FakeKafka, FakeTransactions, Outcome, fake_ports
from support.sdk_served import page_headers

if TYPE_CHECKING:
    from collections.abc import Iterator

A, B = Partition("pages", 0), Partition("pages", 1)
DECISION = Outgoing(b"page-0", b"{}", ())


class World:
    """A member that has taken over two partitions, with a producer that is open."""

    def __init__(self) -> None:
        self.kafka = FakeKafka()
        self.kafka.create_topic("pages", 2)
        self.feed = FakeFeed(self.kafka, ["pages"])
        self.transactions = FakeTransactions(self.kafka)
        self.stop = asyncio.Event()
        self.thread = ClientThread()
        ports = fake_ports(self.kafka, self.feed, self.transactions)
        self.commits = Commits(ports, self.thread, Pauses(self.kafka.clock, self.stop), self.stop)
        self.feed.hold()
        self.feed.holds = 0
        self.transactions.open()
        self.commits.positions.reset(self.feed.committed())

    def poll(self, count: int = 1) -> Polled:
        records = [self.kafka.append(A, b"page-0", b"{}", page_headers(0)) for _ in range(count)]
        assert all(map(self.commits.positions.take, records))
        return Polled(tuple(records))


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.thread.close()


async def test_decisions_are_committed_with_the_positions_behind_their_records_and_the_ends(world: World) -> None:
    polled = world.poll(2)
    assert await world.commits.commit(Polled(polled.records, ((A, 4), (B, 3))), [DECISION])
    assert world.kafka.decisions == [DECISION]
    assert world.kafka.commits == [{A: 4, B: 3}]
    assert world.commits.positions.uncommitted() == {}


async def test_positions_alone_are_committed_without_a_transaction_and_not_at_once_again(world: World) -> None:
    for _ in range(3):
        assert await world.commits.commit(world.poll(), [])
    assert (world.kafka.commits, world.kafka.decisions) == ([{A: 1}], [])
    assert world.commits.positions.uncommitted() == {A: 3}
    await world.kafka.clock.sleep(0.2)
    assert await world.commits.commit(Polled(), [])
    assert world.kafka.commits == [{A: 1}, {A: 3}]


async def test_decisions_wait_for_nothing_and_take_the_positions_along(world: World) -> None:
    for outgoing in ([], [], [DECISION]):
        assert await world.commits.commit(world.poll(), outgoing)
    assert world.kafka.commits == [{A: 1}, {A: 3}]


async def test_where_nothing_moved_nothing_is_committed(world: World) -> None:
    assert await world.commits.commit(Polled(), [])
    await world.commits.commit_rest()
    assert world.kafka.commits == []


async def test_an_aborted_transaction_means_going_back_with_the_same_producer(world: World) -> None:
    world.transactions.script.append("abort")
    with structlog.testing.capture_logs() as entries:
        assert not await world.commits.commit(world.poll(), [DECISION])
    assert (world.kafka.decisions, world.kafka.committed, world.transactions.opened) == ([], {}, 1)
    assert [(entry["event"], entry["cause"], entry["code"]) for entry in entries] == [
        ("Going back to the last commit", "Transaction aborted", "ILLEGAL_GENERATION")
    ]


async def test_who_is_no_member_goes_back_and_writes_nothing(world: World) -> None:
    def metadata() -> object:
        raise NotAMemberError("this process is no member of its group now")

    world.feed.metadata = metadata  # type: ignore[method-assign]  # the real member says so, the fake never
    assert not await world.commits.commit(world.poll(), [DECISION])
    assert (world.kafka.decisions, world.transactions.opened) == ([], 1)


@pytest.mark.parametrize("outcome", ["unknown, written", "unknown, not written"])
async def test_an_unknown_outcome_means_going_back_with_a_new_producer(world: World, outcome: Outcome) -> None:
    world.transactions.script.append(outcome)
    world.transactions.unanswered = 2
    assert not await world.commits.commit(world.poll(), [DECISION])
    assert world.transactions.opened == 2
    assert world.feed.holds == 2, "the group hears of us meanwhile"


async def test_each_failure_in_a_row_is_followed_by_a_longer_pause_until_a_commit_succeeds(world: World) -> None:
    pauses_s: list[float] = []
    for outcome in ("abort", "abort", "abort", None, "abort"):
        world.transactions.script.extend([outcome] if outcome else [])
        before_s = world.kafka.clock.s
        await world.commits.commit(world.poll(), [DECISION])
        pauses_s.append(round(world.kafka.clock.s - before_s, 3))
    assert pauses_s == [0.1, 0.2, 0.4, 0.0, 0.1]


async def test_who_is_fenced_ends(world: World) -> None:
    FakeTransactions(world.kafka).open()
    with pytest.raises(ProducerFencedError):
        await world.commits.commit(world.poll(), [DECISION])
    assert world.kafka.decisions == []


async def test_positions_that_could_not_be_committed_stay_for_the_next_turn(world: World) -> None:
    world.feed.unanswered = 1
    assert await world.commits.commit(world.poll(), [])
    assert world.commits.positions.uncommitted() == {A: 1}
    assert await world.commits.commit(Polled(), [])
    assert world.kafka.commits == [{A: 1}]


async def test_the_rest_is_committed_whenever_the_last_commit_was(world: World) -> None:
    for _ in range(2):
        await world.commits.commit(world.poll(), [])
    await world.commits.commit_rest()
    assert world.kafka.commits == [{A: 1}, {A: 2}]


async def test_the_rest_that_cannot_be_committed_is_told_and_left(world: World) -> None:
    world.commits.positions.reach(A, 1)
    world.feed.unanswered = 1
    with structlog.testing.capture_logs() as entries:
        await world.commits.commit_rest()
    assert [(entry["event"], entry["code"]) for entry in entries] == [("Positions not committed", "_TIMED_OUT")]
    assert world.kafka.commits == []


async def test_a_stop_ends_the_opening(world: World) -> None:
    world.transactions.unanswered = 1_000
    world.feed.on_hold = world.stop.set
    await world.commits.open()
    assert (world.feed.holds, world.transactions.opened) == (1, 1)


async def test_where_only_a_new_process_can_go_on_this_one_ends(world: World) -> None:
    def hang() -> None:
        raise ProducersHangError("3 transactions hang: only a new process can go on")

    world.transactions.open = hang  # type: ignore[method-assign]  # the fake's transactions never hang
    world.transactions.script.append("unknown, not written")
    with pytest.raises(ProducersHangError):
        await world.commits.commit(world.poll(), [DECISION])
