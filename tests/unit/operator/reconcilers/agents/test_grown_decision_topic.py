"""Partitions that somebody adds to a decision topic: its gate is told where to begin in them, or people what to do."""

from __future__ import annotations

from streamwarden_operator.keys import Key
from streamwarden_operator.ports import TopicPlan
from support.operator_harness import conditions_of, running, until, whole_namespace

GUARD = whole_namespace()[-1]
DECISIONS, GROUP = "risk.guard.decisions", "risk.guard.gate"
KEY = Key("AgentDeployment", "risk", "guard")


async def test_x96_new_partitions_of_an_agent_without_pods_get_a_beginning() -> None:
    async with running(*whole_namespace()) as harness:
        await harness.topics.apply(DECISIONS, TopicPlan(grow_to=5))
        harness.controller.add(KEY)
        await harness.settle()
        assert {number for _, topic, number in harness.offsets.committed if topic == DECISIONS} == set(range(5))
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK")


async def test_x96_new_partitions_under_a_gate_that_runs_are_told_with_what_to_do_until_it_has_ended() -> None:
    async with running(*whole_namespace()) as harness:
        before = dict(harness.cluster.workloads)
        harness.offsets.members.add(GROUP)
        await harness.topics.apply(DECISIONS, TopicPlan(grow_to=5))
        harness.controller.add(KEY)
        await until(lambda: conditions_of(harness.get(GUARD))["AccessReady"] == ("Unknown", "NotSupported"), 10)
        await until(lambda: harness.cluster.events, 10)
        (event,) = harness.cluster.events
        assert "has got the partitions 3, 4 while its gate runs" in event.message
        assert "Delete the Deployment 'guard' in the namespace 'risk'" in event.message
        assert harness.cluster.workloads == before

        del harness.cluster.workloads["risk", "guard"]
        harness.offsets.members.discard(GROUP)
        await until(lambda: harness.cluster.workloads == before, 10)
        assert {number for _, topic, number in harness.offsets.committed if topic == DECISIONS} == set(range(5))
