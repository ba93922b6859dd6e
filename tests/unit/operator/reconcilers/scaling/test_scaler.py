"""The scaler over fakes: what it asks for, what it changes, what it tells; and the controller around it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from streamwarden_contract.models.scaling import Lag
from streamwarden_operator.errors import ForbiddenError, KubernetesUnavailableError
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.scaling import History
from streamwarden_operator.ports import Topic, WorkloadState
from streamwarden_operator.reconcilers.scaling.scaler import Scaler
from streamwarden_operator.reconcilers.scaling.scaling_store import ScalingStore
from support.fakes import FakeCluster, FakeOffsets, FakeTopics, RecordedEvent
from support.lag_fakes import FakeLags
from support.operator_harness import agent, resolved, scaled

if TYPE_CHECKING:
    from streamwarden_contract.models import AgentDeployment

KEY = Key("AgentDeployment", "risk", "guard")
INPUT, DECISIONS = "risk.pages", "risk.guard.decisions"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class World:
    """A scaler, and agents whose workloads exist."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.topics = FakeTopics(Topic(INPUT, partitions=3), Topic(DECISIONS, partitions=3))
        self.offsets = FakeOffsets(self.topics)
        self.lags = FakeLags(self.topics, self.offsets)
        self.now_s = 0.0
        self.woken: list[Key] = []
        self.restart()

    def restart(self) -> None:
        """Begin with a new process, which remembers nothing."""
        self.store = ScalingStore(enabled=True)
        self.scaler = Scaler(self.cluster, self.lags, self.store, wake=self.woken.append, clock=lambda: NOW)
        for (kind, _, _), resource in list(self.cluster.resources.items()):
            if kind is type(agent()):
                self.observe(resource)

    def put(self, resource: AgentDeployment, pods: int | None = None) -> None:
        self.cluster.put(resource)
        where = (resource.metadata.namespace, resource.metadata.name)
        self.cluster.workloads.setdefault(where, cast("Any", object()))  # nobody looks into it here
        self.cluster.replicas.setdefault(where, self.store.replicas_of_new(resource) if pods is None else pods)
        topic = f"risk.{resource.metadata.name}.decisions"
        for partition in range(3):
            self.offsets.committed.setdefault((f"risk.{resource.metadata.name}.gate", topic, partition), (0, ""))
        self.observe(resource)

    def observe(self, resource: Any, *, crashing: str = "") -> None:
        """What the agent's reconciler does in each look."""
        replicas = self.cluster.replicas[resource.metadata.namespace, resource.metadata.name]
        state = WorkloadState(replicas, desired=replicas, ready=replicas, crashing=crashing)
        self.store.observe(resolved(resource, INPUT), state)

    def lag(self, records: int, topic: str = INPUT) -> None:
        self.offsets.ends[topic, 0] = (0, records)

    async def run(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.now_s += 1
            await self.scaler.tick(self.now_s)

    @property
    def pods(self) -> int:
        return self.cluster.replicas["risk", "guard"]

    @property
    def entry(self) -> Any:
        return self.store.agents["risk", "guard"]

    @property
    def told(self) -> list[str]:
        return [event.reason for event in self.cluster.events]


@pytest.fixture
def world() -> World:
    return World()


async def test_a_burst_brings_pods_at_the_first_reading(world: World) -> None:
    world.put(scaled())
    await world.run(1)
    assert world.pods == 0
    world.lag(25)
    await world.run(5)
    assert world.pods == 3
    assert world.cluster.events == [
        RecordedEvent(
            KEY,
            "Activated",
            "0 to 3 pods: 25 records of lag (inputs) at a lagThreshold of 10 want 3 pods; there were none",
            warning=False,
        )
    ]


async def test_an_idle_agent_goes_to_zero_after_the_cooldown_and_stays_there(world: World) -> None:
    world.put(scaled(), pods=2)
    await world.run(60)
    assert world.pods == 2
    await world.run(5)
    assert world.pods == 0
    await world.run(300)
    assert world.told == ["ScaledToZero"]
    assert [write for write in world.cluster.writes if write[0] == "scale"] == [("scale", "risk", "guard", 0)]


async def test_a_decision_that_waits_for_its_gate_wakes_an_agent_at_zero(world: World) -> None:
    world.put(scaled())
    world.lag(1, DECISIONS)
    await world.run(1)
    assert world.pods == 1
    assert "(decisions)" in world.cluster.events[0].message


async def test_an_outage_changes_nothing_and_is_told_once_as_its_end_is(world: World) -> None:
    world.put(scaled(), pods=2)
    world.lag(15)
    await world.run(5)
    world.lags.down = True
    await world.run(600)
    assert (world.pods, world.told) == (2, ["LagUnknown"])
    assert world.entry.lag == Lag(state="Stale", records=15)
    assert (world.entry.active.status, world.entry.active.reason) == ("Unknown", "LagUnknown")
    both = [f"the lag ({where}) could not be read: no answer from Kafka" for where in ("inputs", "decisions")]
    assert world.entry.active.message == "; ".join(both)
    world.lags.down = False
    await world.run(5)
    assert (world.pods, world.told) == (2, ["LagUnknown", "LagKnown"])
    assert world.entry.lag == Lag(state="Known", records=15)


async def test_a_reading_or_two_that_fail_are_no_news(world: World) -> None:
    world.put(scaled(), pods=1)
    world.lag(5)
    await world.run(5)
    woken = list(world.woken)
    world.lags.down = True
    await world.run(10)
    world.lags.down = False
    await world.run(5)
    assert (world.told, world.woken) == ([], woken)


async def test_fallback_holds_during_an_outage(world: World) -> None:
    world.put(scaled(fallback={"failure_threshold": 2, "replicas": 3}), pods=1)
    world.lags.down = True
    await world.run(5)
    assert world.pods == 1
    await world.run(5)
    assert (world.pods, world.told) == (3, ["Fallback", "LagUnknown"])
    assert world.cluster.events[0].warning
    assert (world.entry.active.status, world.entry.active.reason) == ("Unknown", "Fallback")


async def test_f18_a_crashing_agent_is_not_scaled_up_and_says_so(world: World) -> None:
    world.put(scaled(), pods=1)
    world.observe(scaled(), crashing="the agent keeps ending with code 1")
    world.lag(500)
    await world.run(5)
    assert world.pods == 1
    assert (world.entry.active.status, world.entry.active.reason) == ("False", "Crashing")
    world.observe(scaled())
    await world.run(35)
    assert world.pods == 3


async def test_a_restart_of_the_operator_keeps_the_pods_and_what_was_told(world: World) -> None:
    world.put(scaled(), pods=3)
    await world.run(30)
    world.restart()
    await world.run(59)
    assert world.pods == 3
    await world.run(7)
    assert world.pods == 0


async def test_edited_bounds_count_at_the_next_tick(world: World) -> None:
    world.put(scaled(polling_interval=3_600), pods=0)
    await world.run(1)
    world.put(scaled(polling_interval=3_600, min_replica_count=2))
    await world.run(1)
    assert (world.pods, world.told) == (2, ["BoundsChanged"])


async def test_edited_bounds_count_while_the_lag_is_not_known(world: World) -> None:
    world.put(scaled(), pods=3)
    world.lags.down = True
    world.put(scaled(max_replica_count=1))
    await world.run(1)
    assert world.pods == 1


async def test_agents_that_are_due_are_read_in_one_batch_and_others_not_at_all(world: World) -> None:
    world.put(scaled("quick", polling_interval=1))
    world.put(scaled("slow", polling_interval=30))
    world.put(agent("fixed"))
    await world.run(3)
    groups = [sorted(reads.group for reads in reading) for reading in world.lags.readings]
    quick, slow = ["risk.quick.agent", "risk.quick.gate"], ["risk.slow.agent", "risk.slow.gate"]
    assert groups == [[*quick, *slow], quick, quick]


async def test_only_agents_at_zero_are_read_exactly(world: World) -> None:
    world.put(scaled("asleep"))
    world.put(scaled("awake"), pods=1)
    await world.run(1)
    assert {reads.group: reads.exact for reads in world.lags.readings[0]} == {
        "risk.asleep.agent": True,
        "risk.asleep.gate": True,
        "risk.awake.agent": False,
        "risk.awake.gate": False,
    }


async def test_what_ails_one_agents_topics_is_not_the_others_trouble(world: World) -> None:
    world.put(scaled("guard"))
    world.put(scaled("other"))
    del world.topics.topics["risk.guard.decisions"]
    world.topics.topics["risk.other.decisions"] = Topic("risk.other.decisions", partitions=3)
    world.lag(5)
    await world.run(1)
    assert (world.pods, world.cluster.replicas["risk", "other"]) == (0, 1)


async def test_an_agent_that_is_held_or_going_is_left_as_it_is(world: World) -> None:
    going = scaled("going")
    ended = going.metadata.model_copy(update={"deletion_timestamp": "2026-01-01T00:00:00Z"})
    world.put(scaled(annotations={"streamwarden.io/pause-reconciliation": "true"}))
    world.put(going.model_copy(update={"metadata": ended}))
    world.lag(100)
    await world.run(30)
    assert world.cluster.replicas == {("risk", "guard"): 0, ("risk", "going"): 0}
    assert world.lags.readings == []


async def test_an_agent_without_scaling_has_one_pod_and_no_lag(world: World) -> None:
    world.put(scaled(), pods=3)
    await world.run(5)
    world.put(agent())
    await world.run(1)
    assert (world.pods, world.told) == (1, ["BoundsChanged"])
    assert (world.entry.lag, world.entry.active, world.entry.history) == (None, None, History())
    woken = list(world.woken)
    await world.run(60)
    assert world.woken == woken


async def test_a_scaling_that_fails_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise KubernetesUnavailableError("could not patch deployments/scale: no answer within 15 s")

    world.put(scaled(polling_interval=3_600))
    world.lag(30)
    with monkeypatch.context() as patched:
        patched.setattr(world.cluster, "scale_workload", refuse)
        await world.run(5)
    assert (world.pods, world.told, world.entry.change) == (0, [], None)
    await world.run(5)
    assert (world.pods, world.told) == (3, ["Activated"])


FORBIDDEN = "the API server forbids to patch deployments.apps/scale 'guard' in namespace 'risk'"


@pytest.mark.parametrize(
    ("made", "before", "due", "active"),
    [
        pytest.param(scaled(), 0, 3, ("False", "Forbidden"), id="by-its-lag"),
        pytest.param(agent(), 2, 1, None, id="to-the-one-pod-of-an-agent-without-scaling"),
    ],
)
async def test_a_number_of_pods_that_cannot_be_set_is_told_once_and_until_it_is(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    made: AgentDeployment,
    before: int,
    due: int,
    active: tuple[str, str] | None,
) -> None:
    async def refuse(*_: object) -> None:
        raise ForbiddenError(FORBIDDEN)

    world.put(made, pods=before)
    world.lag(30)
    with monkeypatch.context() as patched:
        patched.setattr(world.cluster, "scale_workload", refuse)
        await world.run(60)
    told = f"the number of pods cannot be set to {due}: {FORBIDDEN}"
    assert (world.pods, world.cluster.events) == (before, [RecordedEvent(KEY, "Forbidden", told, warning=True)])
    said = world.entry.active
    assert (said and (said.status, said.reason, said.message)) == (active and (*active, told))
    await world.run(10)
    assert world.pods == due
    assert world.entry.active is None or world.entry.active.status == "True"


async def test_a_number_that_somebody_else_set_is_brought_back(world: World) -> None:
    world.put(scaled(), pods=1)
    world.lag(5)
    await world.run(70)
    world.cluster.replicas["risk", "guard"] = 9
    world.observe(scaled())
    await world.run(5)
    assert world.pods == 1


async def test_the_status_changes_with_the_pods_and_not_with_the_lag(world: World) -> None:
    world.put(scaled())
    world.lag(5)
    await world.run(1)
    assert (world.entry.lag, world.entry.change.replicas) == (Lag(state="Known", records=5), 1)
    assert world.entry.change.time == "2026-11-24T12:00:00Z"
    woken = list(world.woken)
    for records in (6, 7, 8):
        world.lag(records)
        await world.run(5)
    assert (world.entry.lag, world.woken) == (Lag(state="Known", records=5), woken)


async def test_a_workload_that_is_made_again_gets_as_many_pods_as_it_had(world: World) -> None:
    world.put(scaled(min_replica_count=1))
    world.lag(30)
    await world.run(1)
    assert world.store.replicas_of_new(scaled(min_replica_count=1)) == 3
    other = scaled(min_replica_count=1)
    another_uid = other.metadata.model_copy(update={"uid": "uid-2"})
    assert world.store.replicas_of_new(other.model_copy(update={"metadata": another_uid})) == 1


async def test_where_nothing_scales_every_agent_has_one_pod() -> None:
    store = ScalingStore(enabled=False)
    store.observe(resolved(scaled(), INPUT), WorkloadState(1))
    assert store.replicas_of_new(scaled(min_replica_count=2)) == 1
    assert (store.agents, store.shown(scaled()).active) == ({}, None)


async def test_x92_whose_turn_has_not_come_is_neither_woken_nor_unknown_and_is_asked_for_in_the_next_round(
    world: World,
) -> None:
    world.put(scaled())
    world.lag(25)
    world.lags.waiting.add("risk.guard.agent")
    await world.run(20)
    assert (world.pods, world.told, world.woken) == (0, [], [])
    assert world.entry.history == History()
    assert len(world.lags.readings) == 20
    world.lags.waiting.clear()
    await world.run(1)
    assert world.pods == 3
