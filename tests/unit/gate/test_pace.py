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


def test_x08_long_reasonings_are_written_no_faster_than_ordinary_records(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(log, max_batch=RATE, max_rate=RATE)
    waits: list[float] = []
    monkeypatch.setattr(world.stop, "wait", waits.append)
    entity = "page-1"
    for _ in range(RATE):
        given = record(b"", key=entity.encode())
        own = world.kafka.log[given.partition]
        value = decision(entity, reasoning="\N{GRINNING FACE}" * MAX_REASONING_LENGTH).encode()
        own.append(record(value, key=entity.encode(), headers_=headers(entity), offset=len(own)))
    world.steps(2)
    written = sum(len(write.value or b"") for write in world.kafka.written)
    assert written > RATE * 4 * MAX_REASONING_LENGTH
    assert max(waits) == pytest.approx(written / (RATE * BYTES_A_RECORD) - 1, abs=0.5)
