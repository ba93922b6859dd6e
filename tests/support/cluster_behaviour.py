"""What every implementation of ``ports.Cluster`` must do: one suite for the fake, for ``dev``'s and for Kubernetes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from streamwarden_contract.models import AgentDeployment, Policy, TopicContract
from streamwarden_contract.models.agent_deployment import AgentDeploymentStatus
from streamwarden_contract.models.base import Condition
from streamwarden_contract.models.policy import GateRejection, PolicyRef, PolicyStatus, Rollout
from streamwarden_contract.models.scaling import Lag, ScalingChange
from streamwarden_contract.models.topic_contract import RegisteredSchema, TopicContractStatus
from streamwarden_operator.desired.workload import build_workload
from streamwarden_operator.keys import Key
from support.operator_harness import agent, contract, policy, resolved

if TYPE_CHECKING:
    from streamwarden_contract.models.base import Kind, Status
    from streamwarden_operator.ports import Cluster, Workload

K = TypeVar("K", bound="Kind")

FINALIZER = "streamwarden.io/agent-deployment"
_WAIT_S = 60.0
_CONDITION = Condition(
    type="Ready",
    status="True",
    reason="OK",
    message="",
    observed_generation=1,
    last_transition_time="2026-01-01T00:00:00Z",
)
STATUSES: dict[type[Kind], tuple[Status, Status]] = {
    TopicContract: (
        TopicContractStatus(
            observed_generation=1,
            conditions=(_CONDITION, _CONDITION.model_copy(update={"type": "TopicReady", "message": "3 partitions"})),
            topic_id="abc",
            registered_schema=RegisteredSchema(id=3, version=1, subject="pages-value"),
            access=("allow User:a WRITE TOPIC LITERAL risk.pages *",),
        ),
        TopicContractStatus(observed_generation=1, conditions=(_CONDITION,)),
    ),
    Policy: (
        PolicyStatus(
            observed_generation=1,
            conditions=(_CONDITION,),
            revision=7,
            digest="d" * 64,
            rollout=Rollout(
                gates=2, updated=1, rejected=(GateRejection(gate="guard/pod-1", message="no"),), converged_after="5ms"
            ),
        ),
        PolicyStatus(observed_generation=1, conditions=(_CONDITION,), revision=8, digest="e" * 64),
    ),
    AgentDeployment: (
        AgentDeploymentStatus(
            observed_generation=1,
            conditions=(_CONDITION,),
            replicas=3,
            policies=(PolicyRef(namespace="risk", name="strict", revision=7),),
            lag=Lag(state="Known", records=12),
            last_scaling=ScalingChange(replicas=3, reason="LagAboveThreshold", message="12 records"),
        ),
        AgentDeploymentStatus(observed_generation=1),
    ),
}
"""By kind: a status with everything, and one with less."""


class Side(Protocol):
    """An implementation, and what people do on its other side."""

    namespace: str
    cluster: Cluster

    async def put(self, resource: K) -> K:
        """Apply a resource as a user would, and return it as the cluster has it."""
        ...

    async def delete(self, resource: Kind) -> None:
        """Delete a resource as a user would."""
        ...

    async def resync(self) -> None:
        """Let the cluster see what happened outside."""
        ...

    def written(self) -> int:
        """Return how many writes the cluster has made."""
        ...


def workload_of(found: AgentDeployment, **changes: Any) -> Workload:
    made = build_workload(
        resolved(found),
        operator_namespace="streamwarden",
        installation="streamwarden",
        public_keys="{}",
        credentials_hash="c",
    )
    return replace(made, **changes)


class ResourceBehaviour:
    """Reading and writing the three kinds, and Secrets."""

    async def test_a_resource_is_found_by_name_and_by_namespace(self, side: Side) -> None:
        put = await side.put(policy("strict", namespace=side.namespace))
        assert side.cluster.get(Policy, side.namespace, "strict") == put
        assert list(side.cluster.list(Policy, side.namespace)) == [put]
        assert put in side.cluster.list(Policy)
        assert side.cluster.get(Policy, side.namespace, "other") is None
        assert side.cluster.get(TopicContract, side.namespace, "strict") is None
        assert list(side.cluster.list(Policy, "elsewhere")) == []

    async def test_a_status_is_stored_whole_and_what_it_no_longer_says_is_gone(self, side: Side) -> None:
        for resource in (contract("pages", side.namespace), policy("strict", namespace=side.namespace)):
            await self._status_is_stored(side, await side.put(resource))
        await self._status_is_stored(side, await side.put(agent(namespace=side.namespace)))

    async def _status_is_stored(self, side: Side, resource: Kind) -> None:
        for status in STATUSES[type(resource)]:
            await side.cluster.write_status(resource, status)
            found = side.cluster.get(type(resource), side.namespace, _name(resource))
            assert found is not None
            assert found.status == status
            await side.resync()
            assert side.cluster.get(type(resource), side.namespace, _name(resource)) == found

    async def test_the_same_status_twice_is_one_write(self, side: Side) -> None:
        put = await side.put(policy("strict", namespace=side.namespace))
        await side.cluster.write_status(put, STATUSES[Policy][0])
        before = side.written()
        found = side.cluster.get(Policy, side.namespace, "strict")
        assert found is not None
        await side.cluster.write_status(found, STATUSES[Policy][0])
        assert side.written() == before

    async def test_a_vanished_resource_is_not_made_again_by_its_status_or_finalizer(self, side: Side) -> None:
        put = await side.put(agent(namespace=side.namespace))
        await side.delete(put)
        await side.resync()
        await side.cluster.write_status(put, STATUSES[AgentDeployment][0])
        await side.cluster.set_finalizer(put, FINALIZER, present=True)
        await side.resync()
        assert side.cluster.get(AgentDeployment, side.namespace, "guard") is None

    async def test_a_finalizer_keeps_a_deleted_resource_until_it_is_taken_away(self, side: Side) -> None:
        put = await side.put(agent(namespace=side.namespace))
        await side.cluster.set_finalizer(put, FINALIZER, present=True)
        before = side.written()
        held = side.cluster.get(AgentDeployment, side.namespace, "guard")
        assert held is not None
        assert held.metadata.finalizers == (FINALIZER,)
        await side.cluster.set_finalizer(held, FINALIZER, present=True)
        assert side.written() == before
        await side.delete(held)
        await side.resync()
        leaving = side.cluster.get(AgentDeployment, side.namespace, "guard")
        assert leaving is not None
        assert leaving.metadata.deletion_timestamp is not None
        await side.cluster.set_finalizer(leaving, FINALIZER, present=False)
        assert side.cluster.get(AgentDeployment, side.namespace, "guard") is None
        await side.cluster.set_finalizer(leaving, FINALIZER, present=False)

    async def test_a_status_may_follow_an_own_finalizer_at_once(self, side: Side) -> None:
        put = await side.put(agent(namespace=side.namespace))
        await side.cluster.set_finalizer(put, FINALIZER, present=True)
        await side.cluster.write_status(put, STATUSES[AgentDeployment][0])
        found = side.cluster.get(AgentDeployment, side.namespace, "guard")
        assert found is not None
        assert found.metadata.finalizers == (FINALIZER,)
        assert found.status == STATUSES[AgentDeployment][0]

    async def test_a_secret_is_written_when_it_differs_and_only_then(self, side: Side) -> None:
        where = (side.namespace, "guard-agent-credentials")
        assert await side.cluster.read_secret(*where) is None
        await side.cluster.apply_secret(*where, {"client.properties": "a=1\nb=ü\n", "old": "x"})
        assert await side.cluster.read_secret(*where) == {"client.properties": "a=1\nb=ü\n", "old": "x"}
        await side.cluster.apply_secret(*where, {"client.properties": "a=2\n"})
        assert await side.cluster.read_secret(*where) == {"client.properties": "a=2\n"}
        before = side.written()
        await side.cluster.apply_secret(*where, {"client.properties": "a=2\n"})
        assert side.written() == before
        await side.cluster.delete_secret(*where)
        assert await side.cluster.read_secret(*where) is None
        await side.cluster.delete_secret(*where)

    async def test_an_event_may_be_recorded_of_anything(self, side: Side) -> None:
        await side.put(policy("strict", namespace=side.namespace))
        for key in (Key("Policy", side.namespace, "strict"), Key("Policy", side.namespace, "gone")):
            await side.cluster.record_event(key, reason="Rejected", message="no", warning=True)
        await side.cluster.record_event(Key("PolicyLog", side.namespace), reason="R", message="m", warning=False)

    async def test_nothing_is_unreadable(self, side: Side) -> None:
        await side.put(policy("strict", namespace=side.namespace))
        assert not [key for key in side.cluster.unreadable() if key.namespace == side.namespace]


class WorkloadBehaviour:
    """An agent's pods."""

    async def test_a_workload_is_made_with_its_replicas_and_then_left_alone(self, side: Side) -> None:
        workload = workload_of(await side.put(agent(namespace=side.namespace)), replicas=2)
        await side.cluster.apply_workload(workload)
        before = side.written()
        again = await side.cluster.apply_workload(replace(workload, replicas=1))
        assert again.desired == 2
        await side.resync()
        assert (await side.cluster.apply_workload(workload)).desired == 2
        assert side.written() == before

    async def test_a_workload_may_begin_with_no_pods_and_keeps_its_number_when_it_changes(self, side: Side) -> None:
        workload = workload_of(await side.put(agent(namespace=side.namespace)), replicas=0)
        await side.cluster.apply_workload(workload)
        changed = replace(workload, image="guard:2", spec_hash="other")
        before = side.written()
        assert (await side.cluster.apply_workload(changed)).desired == 0
        assert side.written() > before
        await side.resync()
        assert (await side.cluster.apply_workload(changed)).desired == 0

    async def test_scaling_changes_the_number_once_and_later_applies_keep_it(self, side: Side) -> None:
        workload = workload_of(await side.put(agent(namespace=side.namespace)))
        await side.cluster.apply_workload(workload)
        await side.cluster.scale_workload(side.namespace, "guard", 4)
        before = side.written()
        await side.cluster.scale_workload(side.namespace, "guard", 4)
        assert side.written() == before
        changed = replace(workload, image="guard:2", spec_hash="other")
        assert (await side.cluster.apply_workload(changed)).desired == 4

    async def test_an_absent_workload_is_not_made_by_scaling_and_its_deletion_is_success(self, side: Side) -> None:
        before = side.written()
        await side.cluster.scale_workload(side.namespace, "guard", 4)
        assert await side.cluster.delete_workload(side.namespace, "guard")
        assert side.written() == before

    async def test_deletion_takes_everything_away(self, side: Side) -> None:
        workload = workload_of(await side.put(agent(namespace=side.namespace)))
        await side.cluster.apply_workload(workload)
        async with asyncio.timeout(_WAIT_S):
            while not await side.cluster.delete_workload(side.namespace, "guard"):
                await side.resync()
        await side.resync()
        assert not side.cluster.pods(side.namespace, "guard")


def _name(resource: Any) -> str:
    return str(resource.metadata.name)
