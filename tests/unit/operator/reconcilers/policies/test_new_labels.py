"""An agent that comes under another policy by its labels, and is not ready for a new binding yet."""

from __future__ import annotations

from typing import Any

from streamwarden_contract.models import AgentDeployment
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
