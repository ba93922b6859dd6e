"""What a gate may judge and write a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.decision import MAX_REASONING_LENGTH
from streamwarden_gate.pace import BYTES_A_RECORD, Pace
from streamwarden_kafka.records import Write
from support.gate_log import decision, headers, record
from support.gate_memory_loop import World

if TYPE_CHECKING:
    from support.gate_log import MemoryLog

RATE = 10


def of_size(size: int) -> Write:
    return Write("audit", b"k" * 10, b"v" * (size - 10), [])


def test_a_seconds_worth_of_records_comes_at_once_and_then_one_after_another() -> None:
    pace = Pace(RATE)
    assert (pace.seconds_until_next(100), pace.may_take(100)) == (0, RATE)
    pace.took(RATE)
    assert pace.seconds_until_next(100) == pytest.approx(0.1)
    assert (pace.seconds_until_next(100.25), pace.may_take(100.25)) == (0, 2)


def test_who_writes_more_than_there_was_to_spend_waits_until_it_came_back() -> None:
    pace = Pace(RATE)
    pace.wrote([of_size(RATE * BYTES_A_RECORD), of_size(BYTES_A_RECORD)])
    assert pace.seconds_until_next(0) == pytest.approx(0.1, abs=1e-3)
    assert pace.is_spent(0)
    assert not pace.is_spent(0.11)
    assert pace.seconds_until_next(0.11) == 0


def test_who_waits_for_long_looks_up_each_second() -> None:
    pace = Pace(RATE)
    pace.wrote([of_size(RATE * BYTES_A_RECORD)] * 3)
    rests = [(pace.rest(now_s), pace.resting) for now_s in (0, 0.5, 1, 1.75, 2.5)]
    assert rests == [
        (pytest.approx(1), True),
        (pytest.approx(1), True),
        (pytest.approx(1, abs=1e-3), True),
        (pytest.approx(0.25, abs=1e-3), False),
        (0, False),
    ]


class Waiting:
    """A loop on one clock, which goes on where the loop waits and not else."""

    def __init__(self, log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        self.waits: list[float] = []
        self.world = World(log, max_batch=RATE, max_rate=RATE)
        monkeypatch.setattr("streamwarden_gate.loop.time", self)
        monkeypatch.setattr(self.world.stop, "wait", self.wait)

    def monotonic(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds

    def write_long(self, count: int) -> None:
        entity = "page-1"
        for _ in range(count):
            own = self.world.kafka.log[record(b"", key=entity.encode()).partition]
            value = decision(entity, reasoning="\N{GRINNING FACE}" * MAX_REASONING_LENGTH).encode()
            own.append(record(value, key=entity.encode(), headers_=headers(entity), offset=len(own)))


@pytest.fixture
def waiting(log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    return Waiting(log, monkeypatch)


def test_x08_long_reasonings_are_written_no_faster_than_ordinary_records(waiting: Waiting) -> None:
    world = waiting.world
    waiting.write_long(RATE)
    world.steps(1)
    written = sum(len(write.value or b"") for write in world.kafka.written)
    assert written > RATE * 4 * MAX_REASONING_LENGTH
    waiting.write_long(1)
    while len(world.judged) == RATE:
        world.steps(1)
    assert sum(waiting.waits) == pytest.approx(written / (RATE * BYTES_A_RECORD) - 1, abs=0.5)


def test_who_waits_for_long_looks_at_group_and_policies_each_second_and_takes_nothing(waiting: Waiting) -> None:
    world = waiting.world
    waiting.write_long(RATE)
    world.steps(2)
    assert (len(world.judged), waiting.waits[-1]) == (RATE, 1.0)
    waiting.write_long(1)
    world.membership.in_poll.append(lambda: world.membership.assign(0))
    world.steps(1)
    assert (len(world.judged), world.loop._generation) == (RATE, world.membership.generation)
    world.policies.proven_at_s = waiting.now_s - 31
    world.steps(1)
    assert world.reports.said[-1].state == "Stale"
    world.policies.proven_at_s = waiting.now_s
    world.membership.assign(*world.kafka.log)
    world.steps(10)
    assert len(world.judged) == RATE + 1
    assert max(waiting.waits) == 1.0
