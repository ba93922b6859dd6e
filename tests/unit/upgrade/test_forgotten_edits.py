"""A namespace that was upgraded as documented, but for one agent that somebody forgot."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from streamwarden_contract.models import AgentDeployment
from streamwarden_operator.keys import key_of
from support.operator_harness import agent, conditions_of, running, whole_namespace


def test_an_agent_that_still_says_topic_ref_cannot_be_read() -> None:
    forgotten = agent("other").model_dump(by_alias=True, mode="json")
    [decision] = forgotten["spec"]["decisions"]
    decision["topicRef"] = decision.pop("commandTopicRef")
    with pytest.raises(ValidationError, match="commandTopicRef"):
        AgentDeployment.model_validate(forgotten)


@pytest.mark.slow
async def test_it_takes_no_pod_and_no_access_from_its_neighbours_when_the_new_operator_starts() -> None:
    async with running(*whole_namespace(), agent("other")) as harness:
        acls = set(harness.acls.acls)
        await harness.controller.stop()
        harness.cluster.make_unreadable(harness.get(agent("other")))
        harness.controller = harness.new_controller()
        harness.controller.changed(key_of(agent()))
        await harness.controller.start()
        harness.controller.caches_complete()
        await harness.settle()
        assert harness.acls.acls == acls
        assert set(harness.cluster.workloads) == {("risk", "guard"), ("risk", "other")}
        assert conditions_of(harness.get(agent()))["AccessReady"] == ("True", "OK")
