"""A transaction of the agent that stays open keeps its own partition from the gate: told after half a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.audit import ChainHead
from streamwarden_gate import open_transactions
from streamwarden_gate.open_transactions import OpenTransactions, Waiting
from streamwarden_gate.partitions import Partition, Place
from streamwarden_gate.ports import End, Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.reporting import report_of
from support.gate_fakes import aborted
from support.gate_log import AGENT, NAMESPACE, PARTITIONS, record
from support.gate_memory_loop import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streamwarden_gate.ports import Item
    from support.gate_fakes import Clock
    from support.gate_log import MemoryLog

TOPIC = f"{NAMESPACE}.{AGENT}.decisions"


def words(number: int, at: int, more: str = "") -> str:
    return (
        f"decision partition {number}: a transaction has been open for more than 30 s, and nothing from offset {at} on "
        f"is judged before it ends{more}. What it is: kafka-transactions.sh describe-producers --topic {TOPIC} "
        f"--partition {number}"
    )


class Observed:
    """What a gate that owns partitions would say, with logs that end as a test says."""

    def __init__(self, positions: Mapping[int, int], ends: Mapping[int, int]) -> None:
        self.ends = dict(ends)
        self.loaded = {number: Partition(number, Place(at, ChainHead(), "an-id")) for number, at in positions.items()}
        self.found = OpenTransactions(lambda number: self.ends.get(number, -1001))

    def at(self, now_s: float) -> Sequence[tuple[int, int]]:
        return list(self.found.observe(self.loaded, now_s))


def test_it_is_told_after_half_a_minute_and_no_more_once_something_is_read() -> None:
    gate = Observed({1: 12}, {1: 15})
    gate.found.take([End(1, 12)])
    assert [gate.at(now_s) for now_s in (100, 115, 128.9)] == [[]] * 3
    assert gate.at(130) == [(1, 12)]
    gate.ends[1] = 40
    assert gate.at(160) == [(1, 12)]
    gate.found.take([record(b"", offset=12)._replace(partition=1)])
    gate.loaded[1].position = 13
    assert gate.at(162) == []


def test_logs_are_looked_at_once_a_second() -> None:
    gate = Observed({1: 12}, {1: 15})
    gate.found.take([End(1, 12)])
    assert (gate.at(100), gate.at(130)) == ([], [(1, 12)])
    gate.ends[1] = 12
    assert (gate.at(130.9), gate.at(131)) == ([(1, 12)], [])


def test_partitions_wait_each_for_itself() -> None:
    gate = Observed({0: 0, 1: 3, 2: 7}, {0: 1, 1: 3, 2: 9})
    gate.found.take([End(2, 7), End(0, 0), End(1, 3)])
    assert (gate.at(100), gate.at(131)) == ([], [(0, 0), (2, 7)])


@pytest.mark.parametrize(
    ("items", "position", "end"),
    [
        pytest.param([End(1, 12)], 12, 12, id="nothing-behind"),
        pytest.param([End(1, 12)], 12, -1001, id="the-end-is-not-known"),
        pytest.param([], 12, 15, id="not-read-to-the-end-yet"),
        pytest.param([End(1, 12)], 10, 15, id="read-and-not-judged"),
        pytest.param([End(1, 12)], None, 15, id="another-gate-s"),
        pytest.param(
            [End(1, 12), Unreadable(1, RefusalReason.UNREADABLE_PARTITION, "why")], 12, 15, id="a-batch-that-is-garbled"
        ),
    ],
)
def test_what_is_no_open_transaction_is_not_told(items: Sequence[Item], position: int | None, end: int) -> None:
    gate = Observed({} if position is None else {1: position}, {1: end})
    gate.found.take(items)
    assert [gate.at(now_s) for now_s in (100, 120, 200)] == [[]] * 3


def test_one_transaction_after_another_is_none_that_stays_open() -> None:
    gate = Observed({1: 12}, {1: 30})
    for number in range(10):
        gate.found.take([End(1, 12 + number)])
        gate.loaded[1].position = 12 + number
        assert gate.at(100 + 20 * number) == []


def backlog_of_0(gate: Observed, seconds: Iterable[int], *, refetched: bool = False) -> list[object]:
    """Let partition 0 have more than is asked for, three records a second, and return what is said."""
    said: list[object] = []
    for second in seconds:
        if refetched:
            gate.found.refetch()
            gate.found.take([], drained=True)  # the answer to the new request is on its way
            said += gate.at(second)
        gate.found.take([record(b"", offset=second * 3 + each) for each in range(3)], drained=False)
        gate.loaded[0].position = second * 3 + 3
        said += gate.at(second + 0.5)
    return said


@pytest.mark.parametrize("refetched", [pytest.param(False, id="at-once"), pytest.param(True, id="with-slow-rules")])
def test_what_waits_in_the_client_s_queue_behind_another_partition_s_backlog_is_no_open_transaction(
    *, refetched: bool
) -> None:
    gate = Observed({0: 0, 1: 12}, {0: 5000, 1: 12})
    gate.found.take([End(1, 12)])
    gate.at(99)
    gate.ends[1] = 13
    assert backlog_of_0(gate, range(100, 200), refetched=refetched) == []
    gate.found.take([record(b"", offset=12)._replace(partition=1)])
    gate.loaded[1].position = 13
    assert gate.at(201) == []


def test_a_transaction_that_is_open_before_a_backlog_and_behind_it_is_told() -> None:
    gate = Observed({0: 0, 1: 12}, {0: 5000, 1: 15})
    gate.found.take([End(1, 12)])
    gate.at(99)
    assert backlog_of_0(gate, range(100, 140), refetched=True) == []
    gate.found.refetch()
    gate.found.take([End(1, 12), End(0, 420)])
    assert gate.at(141) == [(1, 12)]
    assert backlog_of_0(gate, range(142, 144), refetched=True) == [(1, 12)] * 4
    gate.found.take([record(b"", offset=12)._replace(partition=1)], drained=False)
    assert gate.at(144.6) == []


def test_several_partitions_are_one_message(log: MemoryLog) -> None:
    log.write_all()
    waiting = [Waiting(0, 4), Waiting(2, 7)]
    assert report_of(log.build(), None, (), waiting).message == words(0, 4, ", and so in 1 more")


def wait(world: World, clock: Clock, seconds: float) -> None:
    for _ in range(4):
        clock.now_s += seconds / 4
        world.steps(1)


def test_a_gate_says_that_decisions_wait_and_judges_them_at_the_end(world: World, clock: Clock) -> None:
    world.write(1, 2)
    world.steps()
    partition, offset = world.place_of(1)
    world.kafka.stable[partition] = end = len(world.kafka.log[partition])
    world.write(1, 1)
    wait(world, clock, open_transactions.TOLD_AFTER_S - 1)
    assert (world.reports.said[-1].state, world.reports.said[-1].reason) == ("InForce", "")
    wait(world, clock, 12)
    said = world.reports.said[-1]
    assert offset < end
    assert (said.state, said.reason, said.message) == (
        "InForce",
        "DecisionsInOpenTransaction",
        words(partition, end),
    )
    assert world.kafka.committed[partition][0] == end
    world.kafka.stable.clear()
    wait(world, clock, 4)
    assert (world.reports.said[-1].state, world.reports.said[-1].reason) == ("InForce", "")
    world.check(1, 2, 1, 1)


def test_a_gate_whose_own_transactions_are_refused_blames_no_agent(world: World, clock: Clock) -> None:
    world.steps()
    world.write(1)
    world.kafka.usual = aborted
    wait(world, clock, 100)
    assert world.reports.said[-1].reason == ""


def test_a_gate_with_a_backlog_says_nothing_of_what_its_client_has_not_given_yet(log: MemoryLog, clock: Clock) -> None:
    world = World(log, max_batch=1)  # three records a step
    late, [early, *_] = 0, (number for number in range(100) if partition_of(number) == 0)
    while partition_of(late) != PARTITIONS - 1:
        late += 1
    world.write(late)
    world.steps()
    world.write(*[early] * 60, late)
    for _ in range(15):
        clock.now_s += 5
        world.steps(1)
        assert world.reports.said[-1].reason == ""
    assert world.kafka.committed[PARTITIONS - 1][0] == 1, "it has waited until now"
    world.steps(8)
    world.check(*[early] * 60, late, late)


def partition_of(number: int) -> int:
    return record(b"", key=f"page-{number}".encode()).partition
