"""The gate's loop on fakes, on kfake and on Kafka: nothing lost, nothing twice, whatever befalls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_gate.errors import AbortedError, FencedError, IndefiniteError
from streamwarden_kafka import membership
from support.fixtures import APACHE, KFAKE, proxied_broker
from support.gate_loop_worlds import KafkaWorld, MemoryWorld
from support.gate_loops import SILENT_ANSWERS, check, step_until, step_until_judged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.gate_loops import Gate, World


@pytest.fixture(params=["memory", KFAKE, APACHE])
def world(request: pytest.FixtureRequest, tmp_path: Path, unique: str) -> Iterator[World]:
    """Each of the three in turn."""
    if request.param == "memory":
        yield MemoryWorld()
        return
    with proxied_broker(request.param, request) as broker:
        made = KafkaWorld(broker, tmp_path / "gate", unique)
        yield made
        for gate in made.gates:
            gate.close()


def judging_gate(world: World, pod: str = "guard-0") -> Gate:
    """A gate that has judged the first ten decisions."""
    gate = world.start_gate(pod)
    world.propose(range(10))
    step_until_judged(world)
    return gate


def test_decisions_are_judged_once(world: World) -> None:
    judging_gate(world)
    check(world, range(10))


@pytest.mark.long
def test_f63_a_rebalance_that_begins_between_poll_and_commit(world: World) -> None:
    first = judging_gate(world)

    def another_joins() -> None:
        world.start_gate("guard-1")
        world.wait_for_rebalance()

    first.committer.before_commit = [another_joins]
    world.propose(range(10, 30))
    step_until(world, lambda: len(world.gates) == 2, "another gate joins")
    step_until(world, lambda: all(gate.membership.owned for gate in world.gates), "both own partitions")
    world.propose(range(30, 60))
    step_until_judged(world)
    check(world, range(60))


@pytest.mark.long
def test_an_aborted_transaction_of_a_member_that_the_group_has_put_out(world: World) -> None:
    if isinstance(world, KafkaWorld) and world.name == "kfake":
        pytest.skip(
            "who puts the member out is aiokafka, and kfake knows no SASL mechanism in the form in which it asks"
        )
    gate = judging_gate(world)
    gate.committer.before_commit = [lambda: world.put_out(gate)]
    world.propose(range(10, 30))
    step_until_judged(world)
    check(world, range(30))
    assert set(gate.committer.failures) == {AbortedError}


@pytest.mark.long
@pytest.mark.parametrize("committed", [True, False], ids=["and-was-committed", "and-was-not"])
def test_f65_a_transaction_whose_outcome_is_unknown(world: World, *, committed: bool) -> None:
    gate = judging_gate(world)
    gate.committer.before_commit = [lambda: world.lose_an_outcome(committed=committed)]
    world.propose(range(10, 30))
    step_until_judged(world)
    check(world, range(30))
    assert gate.committer.failures == [IndefiniteError]


def test_f64_the_older_of_two_gates_of_one_pod_ends(world: World) -> None:
    older = judging_gate(world)
    newer = world.start_gate()
    newer.loop.step()  # it takes the transactional id over
    world.propose(range(10, 30))
    with pytest.raises(FencedError):
        step_until_judged(world)
    older.close()
    world.gates = [newer]
    world.propose(range(30, 40))
    step_until_judged(world)
    check(world, range(40))


def test_a_coordinator_that_does_not_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "_REQUEST_TIMEOUT_S", 1.0)
    world.propose(range(10))
    gate = world.start_gate()
    step_until(world, lambda: gate.membership.owned, "the gate is a member")
    coordinator_was_asked = world.silence_coordinator()
    for _ in range(SILENT_ANSWERS):
        gate.loop.step()
    assert coordinator_was_asked()
    step_until_judged(world)
    check(world, range(10))
