"""An agent that comes under another policy, or other rules, and cannot have them yet: it loses none of its own."""

from __future__ import annotations

from typing import Any

from streamwarden_contract.models import AgentDeployment, Policy
from streamwarden_operator.desired.management import PAUSE
from streamwarden_operator.keys import key_of
from support.operator_harness import agent, contract, policy, running, until, whole_namespace


def of_team(name: str) -> dict[str, Any]:
    return {"agentSelector": {"matchLabels": {"team": name}}}


async def test_the_policy_of_its_old_labels_stays_until_it_is_bound_by_the_new_ones_though_it_is_deleted() -> None:
    guard = agent(labels={"team": "a"})
    ours, theirs = policy("ours", match=of_team("a")), policy("theirs", match=of_team("c"))
    async with running(*whole_namespace()[:-1], guard, ours, theirs) as harness:
        made = harness.get(guard).model_dump(by_alias=True, mode="json")
        made["metadata"] |= {"labels": {"team": "c"}, "generation": 2}
        made["spec"]["inputs"].append({"name": "mails", "topicRef": {"name": "mails"}})
        harness.put(AgentDeployment.model_validate(made))
        harness.cluster.remove(ours)
        harness.controller.changed(key_of(ours))
        await harness.settle()
        assert harness.binding().policy_names == {"ours", "strict", "watch"}
        harness.put(contract("mails"))
        await until(lambda: harness.binding().policy_names == {"strict", "theirs", "watch"})
        assert b"policy/ours" not in harness.log.topics["risk.streamwarden.policies"]


async def test_a_policy_that_is_deleted_stays_while_the_edit_that_takes_it_over_is_paused() -> None:
    guard, ours, strict = agent(labels={"team": "a"}), policy("ours", match=of_team("a")), policy("strict")
    async with running(*whole_namespace()[:-1], guard, ours) as harness:
        made = harness.get(strict).model_dump(by_alias=True, mode="json")
        made["spec"]["rules"].append({"name": "ours", "require": "true"})
        made["metadata"] |= {"annotations": {PAUSE: "true"}, "generation": 2}
        harness.put(Policy.model_validate(made))
        harness.cluster.remove(ours)
        harness.controller.changed(key_of(ours))
        await harness.settle()
        assert harness.binding().policy_names == {"ours", "strict", "watch"}
        made["metadata"] |= {"annotations": {}}
        harness.put(Policy.model_validate(made))
        await until(lambda: harness.binding().policy_names == {"strict", "watch"})
        assert b"policy/ours" not in harness.log.topics["risk.streamwarden.policies"]
