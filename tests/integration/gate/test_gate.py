from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING

from support.gate_world import eventually

if TYPE_CHECKING:
    from support.gate_world import GateWorld


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
