"""X03: a gate that cannot prove that its policies are up to date judges nothing, says so, and goes on by itself."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer
from support.gate_world import eventually
from support.kafka_tools import WAIT_S, Right

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.gate_world import GateWorld

MAX_STALENESS = "3"


@contextmanager
def without_the_right_to_read(world: GateWorld) -> Iterator[None]:
    rights = [Right("READ", "TOPIC", world.policies)]
    world.cluster.revoke(world.names.gate_principal, rights)
    yield
    world.cluster.grant(world.names.gate_principal, rights)


@contextmanager
def forbidden_to_read_what_is_published(world: GateWorld) -> Iterator[None]:
    rights = [Right("READ", "TOPIC", world.policies)]
    world.cluster.grant(world.names.gate_principal, rights, "DENY")
    world.publish("decision.confidence >= 0.6")
    yield
    world.cluster.revoke(world.names.gate_principal, rights, "DENY")


@contextmanager
def before_a_transaction_that_nobody_ends(world: GateWorld) -> Iterator[None]:
    producer = Producer({**world.cluster.properties, "transactional.id": f"hangs-{world.names.namespace}"})
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    producer.produce(world.policies, b"{}", b"policy/later")
    assert producer.flush(WAIT_S) == 0
    yield
    producer.abort_transaction(WAIT_S)


@pytest.mark.parametrize(
    "outage",
    [
        pytest.param(without_the_right_to_read, id="X03-the-right-to-read-the-policies-is-taken-away"),
        pytest.param(forbidden_to_read_what_is_published, id="X03-a-policy-is-published-that-the-gate-may-not-read"),
        pytest.param(before_a_transaction_that_nobody_ends, id="X03-a-transaction-hangs-on-the-policy-topic"),
    ],
)
def test_f48_outdated(world: GateWorld, outage: Callable[[GateWorld], AbstractContextManager[None]]) -> None:
    ready = world.folder / "ready"
    world.start_gate(STREAMWARDEN_GATE_MAX_STALENESS=MAX_STALENESS, STREAMWARDEN_READY_FILE=str(ready))
    world.wait_in_force()
    world.propose([0])
    eventually(world.caught_up, "the first decision is judged")

    def is_stale() -> bool:
        ack = world.last_ack()
        return ack is not None and (ack.state, ack.reason, ack.policies) == ("Stale", "Stale", ())

    with outage(world):
        eventually(is_stale, "the gate says Stale")
        assert not ready.exists()
        world.propose([1, 2])
        assert not world.caught_up()
        assert world.commanded() == ["page-0"]
    world.wait_in_force()
    eventually(world.caught_up, "what waited is judged")
    assert sorted(world.commanded()) == ["page-0", "page-1", "page-2"]
    assert ready.exists()
    world.check_chains()
