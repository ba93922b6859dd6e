"""The gate's loop between decisions: the ends of partitions are committed once it is quiet, and cost nothing before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_gate.ports import End
from support import gate_fakes
from support.gate_log import record

if TYPE_CHECKING:
    from support.gate_fakes import Clock
    from support.gate_memory_loop import World


def test_the_end_of_a_quiet_partition_is_committed(world: World) -> None:
    world.steps()
    world.membership.extra = [End(0, 4)]  # four markers, no record
    world.steps(3)
    assert world.kafka.committed[0][0] == 4


def test_between_decisions_the_end_of_a_partition_costs_no_transaction(world: World, clock: Clock) -> None:
    world.steps()
    before = len(world.kafka.transactions)
    for _ in range(10):
        world.write(1)
        world.steps(1)
        world.write_marker(1)
        clock.now_s += 0.05
        world.steps(2)
    assert [writes for writes, _ in world.kafka.transactions[before:]] == [2] * 10


def test_an_end_that_was_reached_after_the_last_decision_waits_until_it_is_quiet(world: World, clock: Clock) -> None:
    world.write(1)
    world.steps(2)
    world.write_marker(1)
    world.steps(3)
    number = record(b"", key=b"page-1").partition
    assert world.kafka.committed[number][0] == 1
    clock.now_s += 0.125
    world.steps(3)
    assert world.kafka.committed[number][0] == 2
    assert [writes for writes, _ in world.kafka.transactions] == [0, 2, 0], "epochs, the decision, the end"


def test_an_idle_gate_commits_nothing(world: World, clock: Clock) -> None:
    world.steps()
    before = len(world.kafka.transactions)
    for _ in range(50):
        clock.now_s += 1
        world.steps(1)
    assert len(world.kafka.transactions) == before


def test_a_gate_that_is_told_to_stop_leaves_no_lag(world: World, clock: Clock) -> None:
    assert clock.now_s
    world.write(1)
    world.steps(2)
    world.write_marker(1)
    world.steps(2)
    world.stop.set()
    world.loop.run()
    assert world.kafka.committed[record(b"", key=b"page-1").partition][0] == 2


def test_a_last_commit_that_fails_is_no_failure_of_the_gate(world: World, clock: Clock) -> None:
    assert clock.now_s
    world.write(1)
    world.steps(2)
    world.write_marker(1)
    world.steps(2)
    world.kafka.endings = [gate_fakes.unknown_and_lost]
    world.stop.set()
    world.loop.run()
    assert world.membership.closed
