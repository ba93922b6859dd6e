"""Nothing lost, nothing twice: whatever is killed, and whenever."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer
from support.gate_decisions import proposals
from support.gate_world import eventually
from support.kafka_tools import WAIT_S

if TYPE_CHECKING:
    from support.gate_world import GateWorld
    from support.stack_fixture import OwnStack


DECISIONS = 3_000


def write(world: GateWorld, numbers: range) -> None:
    """Write decisions: of ten one is denied and one a dead letter."""
    world.propose([each for each in numbers if each % 10 > 1])
    world.propose([each for each in numbers if each % 10 == 0], confidence=0.1)
    world.propose([each for each in numbers if each % 10 == 1], parameters={})


def write_slowly(world: GateWorld, count: int) -> threading.Thread:
    """Write decisions in the background, a hundred at a time."""

    def write_all() -> None:
        for first in range(0, count, 100):
            write(world, range(first, first + 100))

    thread = threading.Thread(target=write_all)
    thread.start()
    return thread


def check_exactly_once(world: GateWorld, count: int) -> None:
    """Commands, denials and dead letters are the inputs, each exactly once; the audit chains are whole."""
    audits = world.audits()
    positions = [(audit["decision"]["partition"], audit["decision"]["offset"]) for audit in audits]
    assert len(set(positions)) == len(positions)
    assert Counter(Counter(audit["decision"]["entity"] for audit in audits).values()) == {1: count}
    commanded = Counter(world.commanded())
    assert commanded == Counter(f"page-{each}" for each in range(count) if each % 10 > 1)
    assert sorted(audit["decision"]["entity"] for audit in audits if audit["verdict"] == "Deny") == sorted(
        f"page-{each}" for each in range(count) if each % 10 == 0
    )
    assert len(world.dead_letters()) == count // 10
    assert len({letter["id"] for letter in world.dead_letters()}) == count // 10
    world.check_chains()


@pytest.mark.long
def test_a_gate_that_is_killed_again_and_again_loses_and_repeats_nothing(world: GateWorld) -> None:
    for first in range(0, DECISIONS, 600):
        write(world, range(first, first + 600))
        before = world.audit_end()
        gate = world.start_gate(STREAMWARDEN_GATE_MAX_BATCH="1")
        eventually(lambda: world.audit_end() > before + 4, "the gate judges")  # noqa: B023  # called in this round only
        gate.kill()
        gate.wait(10)
    assert len(world.audits()) < DECISIONS, "every gate was killed in the middle of its work"
    world.start_gate()
    eventually(world.caught_up, "no lag", timeout_s=60)
    check_exactly_once(world, DECISIONS)


@pytest.mark.long
def test_a_killed_broker_loses_and_repeats_nothing(world: GateWorld, gate_stack: OwnStack) -> None:
    count = 2_000
    world.start_gate(STREAMWARDEN_GATE_MAX_BATCH="20")
    world.wait_in_force()
    writer = write_slowly(world, count)
    eventually(lambda: world.audit_end() > 100, "the gate judges")
    gate_stack.kill()
    writer.join()

    def caught_up() -> bool:
        world.restart_ended_gates(STREAMWARDEN_GATE_MAX_BATCH="20")
        return world.caught_up()

    eventually(caught_up, "no lag", timeout_s=90)
    check_exactly_once(world, count)


@pytest.mark.long
def test_f63_two_gates_share_the_partitions_through_a_rebalance(world: GateWorld) -> None:
    first = world.start_gate("guard-0", STREAMWARDEN_GATE_MAX_BATCH="20")
    world.wait_in_force("guard-0")
    writer = write_slowly(world, DECISIONS)
    eventually(world.audits, "the first gate judges")
    world.start_gate("guard-1", STREAMWARDEN_GATE_MAX_BATCH="20")
    writer.join()
    count = DECISIONS

    def both_judge() -> bool:
        nonlocal count
        write(world, range(count, count + 30))
        count += 30
        return {audit["gate"] for audit in world.audits()} == {"guard-0", "guard-1"}

    eventually(both_judge, "both gates judge", timeout_s=60)
    first.send_signal(signal.SIGTERM)
    assert first.wait(15) == 0
    write(world, range(count, count + 30))
    eventually(world.caught_up, "no lag", timeout_s=60)
    check_exactly_once(world, count + 30)


def test_f64_the_older_of_two_gates_of_one_pod_is_fenced(world: GateWorld) -> None:
    older = world.start_gate()
    world.wait_in_force()
    world.start_gate()
    seen = [0]

    def propose_and_look() -> bool:
        world.propose([seen[0]])
        seen[0] += 1
        return older.poll() is not None

    eventually(propose_and_look, "the older gate ends")
    assert older.wait(10) == 1
    eventually(world.caught_up, "no lag", timeout_s=60)
    assert sorted(world.commanded()) == sorted(f"page-{number}" for number in range(seen[0]))
    world.check_chains()


@pytest.mark.long
def test_f64_a_gate_that_slept_longer_than_its_session_judges_nothing_twice(world: GateWorld) -> None:
    sleeper = world.start_gate(STREAMWARDEN_GATE_MAX_BATCH="5")
    world.wait_in_force()
    write(world, range(DECISIONS))
    eventually(lambda: world.audit_end() > 4, "the gate judges")
    sleeper.send_signal(signal.SIGSTOP)
    assert len(world.audits()) < DECISIONS, "it fell asleep in the middle of its work"
    world.start_gate("guard-1")
    eventually(world.caught_up, "another gate judges what was its", timeout_s=60)
    sleeper.send_signal(signal.SIGCONT)
    count = DECISIONS

    def both_judge() -> bool:
        nonlocal count
        world.restart_ended_gates(STREAMWARDEN_GATE_MAX_BATCH="5")
        write(world, range(count, count + 30))
        count += 30
        return {audit["gate"] for audit in world.audits()[-30:]} == {"guard-0", "guard-1"}

    eventually(both_judge, "it is one of two again", timeout_s=60)
    eventually(world.caught_up, "no lag", timeout_s=60)
    check_exactly_once(world, count)


@pytest.mark.long
def test_f66_a_transaction_that_a_dead_gate_left_open_holds_nobody_up_for_long(world: GateWorld) -> None:
    audit, count = world.names.shared.audit, 0
    # In most moments one is open; whichever was not hit is tried again, and the next gate of the pod ends what it left.
    while world.cluster.end_offsets(audit, committed=False) == world.cluster.end_offsets(audit):
        before = world.audit_end()
        gate = world.start_gate(STREAMWARDEN_GATE_MAX_BATCH="5")
        world.wait_in_force()
        write(world, range(count, count := count + 600))
        eventually(lambda: world.audit_end() > before + 4, "the gate judges")  # noqa: B023  # called in this round only
        gate.kill()
        gate.wait(10)
    world.start_gate("guard-1")
    eventually(world.caught_up, "no lag", timeout_s=60)
    check_exactly_once(world, count)


@pytest.mark.long
def test_f66_a_transaction_that_an_agent_leaves_open_holds_its_gate_up_no_longer_than_it_may_be(
    world: GateWorld,
) -> None:
    world.start_gate()
    world.wait_in_force()
    transactional_id = world.names.agent_transactional_id("another")
    limit = {"transaction.timeout.ms": 3_000}
    producer = Producer({**world.agent_properties, "transactional.id": transactional_id, **limit})
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    for key, value, headers in proposals(range(100, 130)):
        producer.produce(world.names.decisions, value, key, headers=headers)
    assert producer.flush(WAIT_S) == 0
    world.propose(range(30))
    eventually(lambda: len(world.commanded()) >= 30, "what lies behind it is judged", timeout_s=60)
    eventually(world.caught_up, "no lag")
    assert sorted(world.commanded()) == sorted(f"page-{number}" for number in range(30))
    assert world.dead_letters() == []
    world.check_chains()


def test_an_edited_policy_is_in_force_without_a_restart(world: GateWorld) -> None:
    gate = world.start_gate()
    world.wait_in_force()
    world.propose([1])
    eventually(world.caught_up, "no lag")
    world.publish("decision.confidence >= 0.95")
    world.wait_in_force()
    world.propose([2])
    eventually(world.caught_up, "no lag")
    verdicts = {
        audit["decision"]["entity"]: (audit["verdict"], audit["policies"], audit["epochs"]["namespace"])
        for audit in world.audits()
    }
    namespace = world.names.namespace
    assert verdicts == {
        "page-1": ("Allow", [f"{namespace}/confident@1"], 1),
        "page-2": ("Deny", [f"{namespace}/confident@3"], 2),
    }
    assert gate.poll() is None
    ack = world.last_ack()
    assert ack is not None
    assert [(ref.name, ref.revision) for ref in ack.policies] == [("confident", 3)]
    assert {head.namespace_epoch for _, head in world.committed().values()} == {2}


@pytest.mark.long
def test_a_policy_that_flip_flops_under_decisions_leaves_each_with_the_one_that_it_names(world: GateWorld) -> None:
    world.start_gate()
    world.wait_in_force()
    world.propose(range(20))
    eventually(world.caught_up, "no lag")
    verdicts = {world.epoch: "Allow"}
    for first in range(20, 220, 20):
        world.propose(range(first, first + 20))
        rule, verdict = ("true", "Allow") if first % 40 == 0 else ("false", "Deny")
        world.publish(rule)
        verdicts[world.epoch] = verdict
    world.publish("false")
    verdicts[world.epoch] = "Deny"
    world.wait_in_force()
    world.propose(range(220, 240))
    eventually(world.caught_up, "no lag")
    audits = world.audits()
    assert len(audits) == 240
    assert all(audit["verdict"] == verdicts[audit["epochs"]["namespace"]] for audit in audits)
    allowed = {audit["decision"]["entity"] for audit in audits if audit["verdict"] == "Allow"}
    assert Counter(world.commanded()) == dict.fromkeys(allowed, 1)
    assert 20 <= len(allowed) <= 220, "both were in force"
    world.check_chains()


def test_an_idle_gate_has_no_lag_and_writes_nothing(world: GateWorld) -> None:
    world.start_gate()
    world.write_as_agent_in_transaction(range(30))
    eventually(world.caught_up, "no lag")
    acks, places = world.acks(), world.committed()
    assert sum(position for position, _ in places.values()) > 30, "the agent's transaction markers count"
    world.write_as_agent_in_transaction([])
    assert (world.acks(), world.committed()) == (acks, places)
