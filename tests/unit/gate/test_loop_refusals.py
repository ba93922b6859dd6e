"""What a broker refuses of what the gate's loop writes: what can be written is, and nothing is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from streamwarden_gate import loop
from streamwarden_gate.reasons import RefusalReason
from support import gate_fakes
from support.gate_log import NAMESPACE
from support.gate_memory_loop import AUDIT, COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_kafka.records import Write
    from support.gate_memory_loop import World

DEAD_LETTERS = f"{NAMESPACE}.streamwarden.dlq"


@pytest.mark.slow
def test_x04_a_batch_that_is_too_large_is_split_until_it_fits(world: World) -> None:
    world.steps(1)
    world.write(*range(100))
    world.kafka.usual = gate_fakes.refused_where(lambda writes: sum(w.topic == COMMANDS for w in writes) > 3)
    world.steps(100)
    world.check(*range(100))


@pytest.mark.parametrize(
    ("refused", "written"),
    [
        pytest.param({COMMANDS}, {AUDIT, DEAD_LETTERS}, id="a-refused-command-is-a-dead-letter"),
        pytest.param({COMMANDS, DEAD_LETTERS}, {AUDIT}, id="where-that-is-refused-too-it-is-audited-alone"),
    ],
)
def test_x04_what_is_refused_for_itself_stops_nothing_beside_it(
    world: World, refused: set[str], written: set[str]
) -> None:
    world.steps(1)
    world.write(*range(40))
    world.kafka.usual = gate_fakes.refused_where(lambda writes: any(w.topic in refused and is_7(w) for w in writes))
    world.steps(100)
    partition, offset = world.place_of(7)
    dead = [audit for audit in world.audits if audit["verdict"] != "Allow"]
    assert [(one["verdict"], one["deadLetter"], one["message"]) for one in dead] == [
        ("DeadLetter", "RefusedByBroker", "too large")
    ]
    assert (dead[0]["decision"]["partition"], dead[0]["decision"]["offset"]) == (partition, offset)
    assert {write.topic for write in world.kafka.written if write.topic != COMMANDS} == written
    assert sum(write.topic == COMMANDS for write in world.kafka.written) == 39
    world.check_places()


def is_7(write: Write) -> bool:
    return write.key == b"page-7"


def test_x04_where_not_even_an_audit_record_is_taken_nothing_is_committed_and_others_go_on(world: World) -> None:
    world.steps(1)
    world.write(*range(40))
    stopped, offset = world.place_of(7)

    def is_audit_of_7(write: Write) -> bool:
        place = json.loads(write.value or b"")["decision"] if write.topic == AUDIT else {}
        return (place.get("partition"), place.get("offset")) == (stopped, offset)

    world.kafka.usual = gate_fakes.refused_where(lambda writes: any(map(is_audit_of_7, writes)))
    world.steps(100)
    ends = {number: len(own) for number, own in world.kafka.log.items()} | {stopped: offset}
    assert {number: place[0] for number, place in world.kafka.committed.items()} == ends
    assert (world.reports.said[-1].state, world.reports.said[-1].reason) == ("Rejected", RefusalReason.TARGET_REFUSED)


@pytest.mark.slow
def test_where_a_target_refuses_the_gate_its_partition_waits_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a right that spreads late: no good decision is skipped or a dead letter."""
    monkeypatch.setattr(loop, "_TARGET_RETRY_S", 0)
    world.steps(1)
    world.write(*range(40))
    world.kafka.usual = gate_fakes.refused_where(lambda writes: any(map(is_7, writes)), for_itself=False)
    world.steps(60)
    assert "page-7" not in world.judged
    world.kafka.usual = None
    world.steps(60)
    world.check(*range(40))
    assert world.reports.said[-1].state == "InForce"


@pytest.mark.slow
def test_a_retry_is_not_reported_as_a_recovery(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_TARGET_RETRY_S", 0)
    world.steps(1)
    world.write(*range(40))
    tries = 0

    def refuses(writes: Sequence[Write]) -> bool:
        nonlocal tries
        tries += any(map(is_7, writes))
        return any(map(is_7, writes))

    world.kafka.usual = gate_fakes.refused_where(refuses, for_itself=False)
    world.steps(60)
    assert [one.state for one in world.reports.said[-1:]] == ["Rejected"]
    said, tried = len(world.reports.said), tries
    world.steps(60)
    assert tries >= tried + 3
    assert world.reports.said[said:] == [], "nothing new"
    world.kafka.usual = None
    world.steps(60)
    assert [one.state for one in world.reports.said[-1:]] == ["InForce"]
