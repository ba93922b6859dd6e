"""Gates whose pods are no more: not counted, and in the end taken off the topic."""

from __future__ import annotations

from typing import Any, cast

import pytest
from streamwarden_contract.acks import GateAck
from streamwarden_operator.keys import key_of
from streamwarden_operator.reconcilers.policies.live_acks import GONE_AFTER, LiveAcks
from support.fakes import FakeCluster
from support.operator_harness import agent, running, until, whole_namespace
from support.policy_fakes import FakeGateAcks, ack_of

LATER_S = GONE_AFTER.total_seconds()


class World:
    def __init__(self) -> None:
        self.cluster, self.acks, self.now_s = FakeCluster(), FakeGateAcks(), 0.0
        self.live = LiveAcks(self.acks, cast("Any", self.cluster), clock=lambda: self.now_s)

    def say(self, pod: str, name: str = "guard") -> None:
        self.acks.say(GateAck(namespace="risk", agent=name, agent_uid="u", pod=pod, state="InForce", reported_at_ms=1))

    def pods(self, *names: str) -> None:
        self.cluster.existing_pods["risk", "guard"] = frozenset(names)

    async def reconcile(self, *, exists: bool = True) -> list[str]:
        """Look at the agent, and return the pods that were forgotten."""
        before = len(self.acks.forgotten)
        await self.live.forget_gone("risk", "guard", exists=exists)
        return [pod for _, _, pod in self.acks.forgotten[before:]]


@pytest.fixture
def world() -> World:
    made = World()
    made.say("a")
    made.say("b")
    made.pods("a")
    return made


async def test_a_gate_without_a_pod_is_not_counted_and_later_forgotten(world: World) -> None:
    assert [ack.pod for ack in world.live.of_namespace("risk")] == ["a"]
    assert await world.reconcile() == []
    world.now_s = LATER_S - 1
    assert await world.reconcile() == []
    world.now_s = LATER_S
    assert await world.reconcile() == ["b"]
    assert await world.reconcile() == []


async def test_a_gate_that_spoke_before_the_watch_told_of_its_pod_is_never_forgotten(world: World) -> None:
    assert await world.reconcile() == []
    world.pods("a", "b")
    world.now_s = LATER_S
    assert await world.reconcile() == []
    world.pods("a")
    world.now_s = 2 * LATER_S
    assert await world.reconcile() == []
    world.now_s = 3 * LATER_S
    assert await world.reconcile() == ["b"]


async def test_gates_of_an_agent_that_is_no_more_are_forgotten_at_once(world: World) -> None:
    world.pods()
    world.say("z", name="other")
    assert await world.reconcile(exists=False) == ["a", "b"]
    assert [ack.pod for ack in world.acks.of_namespace("risk")] == ["z"]


async def test_where_nobody_can_tell_which_pods_exist_nothing_is_forgotten(world: World) -> None:
    world.cluster.existing_pods.clear()
    world.now_s = 2 * LATER_S
    assert await world.reconcile() == []
    assert len(world.live.of_namespace("risk")) == 2


async def test_a_deleted_agent_leaves_no_ack_behind() -> None:
    async with running(*whole_namespace()) as harness:
        harness.acks.say(ack_of(harness.binding()))
        harness.cluster.existing_pods["risk", "guard"] = frozenset()
        found = harness.get(agent())
        leaving = found.metadata.model_copy(update={"deletion_timestamp": "2026-01-01T00:00:00Z"})
        harness.put(found.model_copy(update={"metadata": leaving}))
        await until(lambda: not harness.cluster.list(type(found)))
        harness.controller.changed(key_of(found))
        await until(lambda: harness.acks.forgotten == [("risk", "guard", "pod-0")])


async def test_x85_an_agent_looks_at_the_gates_of_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(*whole_namespace()) as harness:
        harness.acks.say(ack_of(harness.binding()))
        await harness.settle()
        looks = list[str]()
        monkeypatch.setattr(harness.acks, "of_namespace", looks.append)  # by whoever asks for all of them
        own = [ack_of(harness.binding())]
        monkeypatch.setattr(harness.acks, "of_agent", lambda *place: {("risk", "guard"): own}[place])
        for _ in range(10):
            harness.controller.add(key_of(harness.get(agent())))
            await harness.settle()
        assert looks == []
