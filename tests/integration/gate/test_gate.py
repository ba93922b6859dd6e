from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING

from streamwarden_contract.names import InstallationNames
from support.gate_world import eventually, publish_guardrails

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gate_world import GateWorld
    from support.kafka_tools import Cluster
    from support.policy_log import SigningKey


def test_decisions_become_commands_denials_and_audit_records(world: GateWorld) -> None:
    gate = world.start_gate()
    world.propose(range(10))
    world.propose(range(10, 14), confidence=0.1)
    world.propose(range(14, 16), parameters={"number": "x"})
    eventually(world.caught_up, "no lag")
    assert sorted(world.commanded()) == sorted(f"page-{number}" for number in range(10))
    assert Counter(audit["verdict"] for audit in world.audits()) == {"Allow": 10, "Deny": 4, "DeadLetter": 2}
    assert [letter["reason"] for letter in world.dead_letters()] == ["SchemaMismatch"] * 2
    world.check_chains()
    gate.send_signal(signal.SIGTERM)
    assert gate.wait(15) == 0
    assert [ack.state for ack in world.acks()] == ["Starting", "InForce", "Stopped"]


def test_a_gate_of_another_installation_judges_by_that_one_s_guardrail_topic(
    build_world: Callable[..., GateWorld], cluster: Cluster, signing_key: SigningKey
) -> None:
    other = InstallationNames("other")
    publish_guardrails(cluster, signing_key, other)
    world = build_world(installation=other)  # its user may read no other installation's guardrails
    world.publish()
    world.start_gate()
    world.wait_in_force()
    world.propose([1])
    world.propose([2], confidence=0.1)
    eventually(world.caught_up, "no lag")
    assert world.commanded() == ["page-1"]
    assert sorted(audit["verdict"] for audit in world.audits()) == ["Allow", "Deny"]
    world.check_chains()
    ack = world.last_ack()
    assert ack is not None
    assert (ack.namespace_epoch, ack.guardrail_epoch) == (1, 1)
