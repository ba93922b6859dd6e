"""On three brokers, what is the brokers' fault costs no good decision: none is dead-lettered or skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from streamwarden_devstack.stack import KafkaOptions
from support import gate_world
from support.gate_world import GateWorld, eventually
from support.kafka_tools import Cluster, Right
from support.policy_log import SigningKey
from support.stack_fixture import OwnStack, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.own_stack
COUNT = 60
LIMIT_S = 120


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnStack]:
    folder = tmp_path_factory.mktemp("three")
    with running_stack(folder, kafka=KafkaOptions(brokers=3), registry=False) as own:
        yield own


@pytest.fixture(scope="module")
def key(brokers: OwnStack) -> SigningKey:
    made = SigningKey()
    gate_world.publish_guardrails(Cluster(brokers.operator_properties), made)
    return made


@pytest.fixture
def world(brokers: OwnStack, key: SigningKey, tmp_path: Path) -> Iterator[GateWorld]:
    """A gate that runs on topics of three replicas, of which two must have what is acknowledged."""
    made = gate_world.build(Cluster(brokers.operator_properties), tmp_path, f"t{uuid4().hex[:10]}", key)
    made.publish()
    made.start_gate()
    made.wait_in_force()
    yield made
    made.close()


def wait_for_all(world: GateWorld) -> None:
    """All decisions become commands, once each, and nothing else comes of them; the chains are whole."""
    eventually(world.caught_up, "no lag", timeout_s=LIMIT_S)
    assert sorted(world.commanded()) == sorted(f"page-{number}" for number in range(COUNT))
    assert world.dead_letters() == []
    assert {audit["verdict"] for audit in world.audits()} == {"Allow"}
    world.check_chains()


def says(world: GateWorld, reason: str) -> bool:
    ack = world.last_ack()
    return ack is not None and ack.reason == reason


@pytest.mark.long
def test_a_right_that_spreads_late(world: GateWorld) -> None:
    rights = [Right("WRITE", "TOPIC", world.commands)]
    world.cluster.revoke(world.names.gate_principal, rights)
    world.propose(range(COUNT))
    eventually(lambda: says(world, "TargetRefused"), "the gate says TargetRefused", timeout_s=LIMIT_S)
    world.cluster.grant(world.names.gate_principal, rights)
    wait_for_all(world)


def test_a_limit_that_is_lowered_under_a_running_gate(world: GateWorld) -> None:
    world.propose(range(COUNT // 2))
    world.cluster.configure(world.commands, {"max.message.bytes": "4000"})
    world.propose(range(COUNT // 2, COUNT))
    wait_for_all(world)


@pytest.mark.long
def test_f44_a_broker_without_enough_replicas(world: GateWorld, brokers: OwnStack) -> None:
    world.cluster.configure(world.commands, {"min.insync.replicas": "3"})
    with brokers.without_broker(3):
        world.propose(range(COUNT))
        eventually(lambda: _went_back(world), "a transaction is aborted, or its outcome unknown", timeout_s=LIMIT_S)
        eventually(lambda: (world.audits(), world.commanded()) == ([], []), "nothing of it is visible")
    wait_for_all(world)


def _went_back(world: GateWorld) -> bool:
    told = {str(line.get("event")) for line in world.log_lines()}
    return any(word.startswith(("transaction aborted", "outcome unknown")) for word in told)
