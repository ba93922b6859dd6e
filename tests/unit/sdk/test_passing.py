"""What no client can read is passed over, with its place and range; nothing else is."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import structlog
from confluent_kafka import OFFSET_BEGINNING
from streamwarden.core.offset_metadata import encode
from streamwarden.core.records import Partition, Record, UnreadableBatch
from streamwarden.runtime.consumers import Collected
from streamwarden.runtime.passing import Passing
from streamwarden_contract.decision import decode_failure
from streamwarden_contract.events import FAILURE_TYPE, decode
from streamwarden_kafka.errors import BrokerUnavailableError, NotReachedError
from streamwarden_kafka.positions import Look
from support.sdk_memory_world import A, B, World
from support.sdk_served import causes, deciding_agent, offsets_of

if TYPE_CHECKING:
    from streamwarden.core.records import Outgoing
    from streamwarden_contract.decision import Failure

NOBODY_LOOKS = Look[Partition](lambda _at: -1, lambda _at, _offset: (0, 0))
WHY = "a batch cannot be decoded: _BAD_COMPRESSION"


class Broker:
    """Answers of a broker: the batches of each log, and where it begins."""

    def __init__(self, *batches: tuple[int, int]) -> None:
        self.batches = batches
        self.start = 0
        self.away = False

    def find_batch(self, _at: Partition, offset: int) -> tuple[int, int]:
        if self.away:
            raise BrokerUnavailableError("_TIMED_OUT")
        return next(batch for batch in self.batches if batch[1] >= offset)

    def find_start(self, _at: Partition) -> int:
        return self.start


def read(at: Partition, *offsets: int, unreadable: bool = True) -> Collected:
    """Return what a client has read of a partition, up to a batch that it cannot read."""
    collected = Collected({"pages": "T1"})
    collected.records = [Record(*at, offset, 0, b"k", b"{}", ()) for offset in offsets]
    if unreadable:
        collected.unreadable[at] = WHY
    return collected


@pytest.mark.parametrize(
    ("batches", "start", "offsets", "expected"),
    [
        pytest.param([(0, 4), (5, 7)], 0, range(5), (5, 7), id="the-whole-batch-behind-what-was-read"),
        pytest.param([(0, 9)], 0, range(4), (4, 9), id="the-rest-of-a-batch-that-was-read-in-part"),
        pytest.param([(0, 4), (8, 9)], 0, range(5), (8, 9), id="not-the-markers-before-it"),
        pytest.param([(0, 4)], 0, (), (0, 4), id="the-first-batch-of-a-log-that-is-read-from-its-beginning"),
        pytest.param([(3, 4), (5, 9)], 5, (), (5, 9), id="not-what-retention-has-removed"),
    ],
)
def test_a_batch_that_cannot_be_read_becomes_a_record_of_its_range(
    batches: list[tuple[int, int]], start: int, offsets: range, expected: tuple[int, int]
) -> None:
    broker = Broker(*batches)
    broker.start = start
    passing = Passing(broker.find_batch, broker.find_start, lambda *_: False, NOBODY_LOOKS)
    passing.start({A: None, B: 7})
    assert passing.positions == {A: OFFSET_BEGINNING, B: 7}
    first, last = expected
    assert passing.follow(read(A, *offsets)) == [
        Record("pages", 0, first, 0, None, None, (), "T1", UnreadableBatch(last, WHY))
    ]
    assert passing.positions == {A: last + 1, B: 7}


def test_a_batch_that_is_not_found_yet_is_not_passed_over() -> None:
    broker = Broker((0, 9))
    broker.away = True
    passing = Passing(broker.find_batch, broker.find_start, lambda *_: False, NOBODY_LOOKS)
    passing.start({A: 0})
    with structlog.testing.capture_logs() as entries:
        assert passing.follow(read(A, 0, 1)) == []
    assert passing.positions == {A: 2}
    assert [(entry["event"], entry["problem"], entry["code"]) for entry in entries] == [
        ("A batch that cannot be read is not found yet", WHY, "_TIMED_OUT")
    ]
    broker.away = False
    assert offsets_of(passing.follow(read(A))) == [2]


def test_a_search_that_is_not_done_goes_on_from_where_it_has_come_to() -> None:
    broker = Broker((70, 72))
    tries = iter([30, 60])

    def find(at: Partition, offset: int) -> tuple[int, int]:
        reached = next(tries, None)
        if reached is not None:
            raise NotReachedError("far", reached)
        return broker.find_batch(at, offset)

    passing = Passing(find, broker.find_start, lambda *_: False, NOBODY_LOOKS)
    passing.start({A: 7})
    for reached in (30, 60):
        assert passing.follow(read(A)) == []
        assert passing.positions == {A: reached}
    assert [(each.offset, each.last) for each in passing.follow(read(A))] == [(70, 72)]
    assert passing.positions == {A: 73}


def test_a_partition_that_is_not_read_any_more_is_left_alone() -> None:
    broker = Broker((0, 9))
    passing = Passing(broker.find_batch, broker.find_start, lambda *_: False, NOBODY_LOOKS)
    passing.start({A: 0, B: 0})
    collected = read(A)
    collected.gone.append(A)
    assert passing.follow(collected) == []
    assert passing.positions == {B: 0}


@pytest.fixture
def world() -> World:
    """Return a world whose first partition has an event, a batch of three that nobody can read, and another event."""
    world = World()
    world.observe(0)
    log = world.kafka.logs[A]
    log += [Record(*A, 1, 0, None, None, (), "", UnreadableBatch(3, WHY)), None, None]
    world.observe(4)
    return world


def failures(world: World) -> list[Failure]:
    return [decode_failure(each.value) for each in world.kafka.decisions if is_failure(each)]


def is_failure(record: Outgoing) -> bool:
    return decode(record.headers, strict=True).type == FAILURE_TYPE


async def test_an_agent_gives_up_such_a_batch_once_and_goes_on(world: World) -> None:
    with structlog.testing.capture_logs() as entries:
        async with world.serve(deciding_agent()) as served:
            await served.until(world.caught_up)
    [failure] = failures(world)
    assert (failure.cause.offset, failure.attempts, failure.stage) == (1, 1, "Decode")
    assert failure.error == f"UnreadableBatchError: offsets 1 to 3 are passed over: {WHY}"
    assert causes(each.value for each in world.kafka.decisions if not is_failure(each)) == [(0, 0), (0, 4)]
    assert [entry for entry in entries if entry["log_level"] != "info"] == [
        {
            "event": "Events passed over: their batch cannot be read",
            "log_level": "error",
            "topic": "pages",
            "partition": 0,
            "offset": 1,
            "last": 3,
            "problem": WHY,
            "count": 1,
        }
    ]


async def test_a_batch_that_was_given_up_beside_a_slow_event_is_not_given_up_again(world: World) -> None:
    # As the last owner left it: the first event was slow, and all behind it is finished.
    world.kafka.committed[A] = 0
    world.kafka.offset_metadata[A] = encode("id+of/pages", 0, 0b1001)
    async with world.serve(deciding_agent()) as served:
        await served.until(world.caught_up)
    assert failures(world) == []
    assert causes(each.value for each in world.kafka.decisions) == [(0, 0)]


@pytest.mark.slow
def test_an_agent_that_can_read_everything_does_not_load_the_client_that_finds_batches() -> None:
    program = "import sys; import streamwarden.runtime.__main__; print('aiokafka' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "False\n"
