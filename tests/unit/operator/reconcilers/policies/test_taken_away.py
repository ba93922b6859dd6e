"""A policy on hold of which somebody without a key takes the record away: it stays in force, and is written again."""

from __future__ import annotations

import json

from streamwarden_contract.models import Policy
from streamwarden_operator.desired.management import PAUSE
from streamwarden_operator.keys import Key
from support.operator_harness import policy, running, until, whole_namespace

TOPIC = "risk.streamwarden.policies"


async def test_a_policy_on_hold_is_written_again_where_its_record_was_taken_away() -> None:
    async with running(*whole_namespace()) as harness:
        names = harness.binding().policy_names
        made = harness.get(policy("strict")).model_dump(by_alias=True, mode="json")
        made["metadata"] |= {"annotations": {PAUSE: "true"}, "generation": 2}
        harness.put(Policy.model_validate(made))
        await harness.settle()
        before = json.loads(harness.log.topics[TOPIC].pop(b"policy/strict").value or b"")
        harness.controller.changed(Key("PolicyLog", "risk"))
        await until(lambda: b"policy/strict" in harness.log.topics[TOPIC])
        again = json.loads(harness.log.topics[TOPIC][b"policy/strict"].value or b"")
        assert harness.binding().policy_names == names == {"strict", "watch"}
        assert (again["spec"], again["revision"] > before["revision"]) == (before["spec"], True)
