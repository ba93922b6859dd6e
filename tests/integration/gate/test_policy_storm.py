"""A storm of policies that bind others: an agent's decisions go on, each judged by the set that it names."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from support.gate_world import eventually
from support.policy_log import epoch_record, policy_record, policy_spec

if TYPE_CHECKING:
    from streamwarden_contract.policylog import Record
    from support.gate_world import GateWorld

STORMS = 10
EACH = 1_000
"""Policies of one storm; a namespace's topic holds all of them in the end."""
MANY = 60
"""Decisions beside each."""
OTHERS = policy_spec("decision.confidence >= 0.9 && decision.entity != 'page-1'", "decision.parameters.number > 2")


def storm(world: GateWorld, number: int, own: str) -> list[Record]:
    """Make an epoch with one rule for the agent and a thousand new policies that do not bind it."""
    *records, _ = world.records({"confident": (own,)})
    first = world.revision + 1
    world.revision += EACH
    others = [
        policy_record(world.names.namespace, f"other-{number}-{each}", OTHERS, revision=first + each, epoch=world.epoch)
        for each in range(EACH)
    ]
    return [*records, *others, epoch_record(world.epoch, revision_counter=world.revision)]


@pytest.mark.long
def test_ten_thousand_policies_that_come_under_decisions_cost_none_and_hold_no_gate_up(world: GateWorld) -> None:
    world.start_gate()
    world.wait_in_force()
    verdicts = {world.epoch: "Allow"}
    for number in range(STORMS):
        world.propose(range(number * MANY, (number + 1) * MANY))
        allows = number % 2 == 0
        world.write_log(world.signed(storm(world, number, "true" if allows else "false")))
        verdicts[world.epoch] = "Allow" if allows else "Deny"
    world.wait_in_force()
    world.start_gate("guard-1")
    world.wait_in_force("guard-1")
    world.propose(range(STORMS * MANY, (STORMS + 1) * MANY))
    eventually(world.caught_up, "no lag")

    audits = world.audits()
    assert Counter(audit["decision"]["entity"] for audit in audits) == {
        f"page-{number}": 1 for number in range((STORMS + 1) * MANY)
    }
    assert all(audit["verdict"] == verdicts[audit["epochs"]["namespace"]] for audit in audits)
    assert {audit["verdict"] for audit in audits} == {"Allow", "Deny"}
    allowed = {audit["decision"]["entity"] for audit in audits if audit["verdict"] == "Allow"}
    assert Counter(world.commanded()) == dict.fromkeys(allowed, 1)
    world.check_chains()
