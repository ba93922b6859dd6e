"""What a new agent's objects cost: each is made without a look whether it is there, and nobody else's is touched."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.adapters.kubernetes.cache import ResourceCache
from streamwarden_operator.adapters.kubernetes.secrets import SecretStore
from streamwarden_operator.adapters.kubernetes.workloads import Workloads
from streamwarden_operator.errors import ConflictError, InvalidSpecError
from support.cluster_behaviour import workload_of
from support.kubernetes_side import build
from support.memory_api import MemoryApi
from support.operator_harness import agent

if TYPE_CHECKING:
    from streamwarden_operator.adapters.kubernetes.client import KubernetesClient
    from streamwarden_operator.ports import Manifest, Workload

OF_AN_AGENT = Counter(
    {"ConfigMap": 2, "ServiceAccount": 1, "NetworkPolicy": 1, "PodDisruptionBudget": 1} | {"Deployment": 1}
)
SOMEBODY = {"owner": "somebody"}


@pytest.fixture
def api() -> MemoryApi:
    return MemoryApi()


@pytest.fixture
def workloads(api: MemoryApi) -> Workloads:
    return Workloads(cast("KubernetesClient", api), ResourceCache(), build)


@pytest.fixture
def workload() -> Workload:
    return workload_of(agent(uid="u-1"), replicas=3)


def of_somebody(kind: str, name: str, **metadata: Any) -> Manifest:
    version = "apps/v1" if kind == "Deployment" else "v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "risk", **metadata}}


async def test_a_new_agents_objects_are_made_without_a_look(
    api: MemoryApi, workloads: Workloads, workload: Workload
) -> None:
    await workloads.apply(workload)
    assert api.requests == Counter({("apply", kind): count for kind, count in OF_AN_AGENT.items()})
    assert api.objects["Deployment", "guard"]["spec"]["replicas"] == 3
    await workloads.apply(workload)
    assert api.requests.total() == OF_AN_AGENT.total()


async def test_an_object_of_somebody_else_is_left_as_it_is(
    api: MemoryApi, workloads: Workloads, workload: Workload
) -> None:
    api.put(of_somebody("Deployment", "guard", labels=SOMEBODY))
    before = api.objects["Deployment", "guard"]
    with pytest.raises(InvalidSpecError, match="is not Streamwarden's and is left alone") as refused:
        await workloads.apply(workload)
    assert refused.value.reason is ConditionReason.RESOURCE_CONFLICT
    assert api.objects["Deployment", "guard"] == before
    assert api.requests["get", "Deployment"] == 1


async def test_an_own_object_that_lost_its_label_is_looked_at_and_put_right(
    api: MemoryApi, workloads: Workloads, workload: Workload
) -> None:
    owner = {"apiVersion": "streamwarden.io/v1alpha1", "kind": "AgentDeployment", "name": "guard", "uid": "u-1"}
    api.put(of_somebody("ServiceAccount", "guard", ownerReferences=[owner]))
    await workloads.apply(workload)
    assert api.requests["get", "ServiceAccount"] == 1
    assert api.objects["ServiceAccount", "guard"]["metadata"]["labels"]["app.kubernetes.io/instance"] == "guard"


async def test_a_secret_that_somebody_makes_between_look_and_write_is_not_written_over(api: MemoryApi) -> None:
    secrets = SecretStore(cast("KubernetesClient", api))
    assert await secrets.read("risk", "guard-agent-credentials") is None
    api.put(of_somebody("Secret", "guard-agent-credentials", labels=SOMEBODY))
    with pytest.raises(InvalidSpecError, match="is not Streamwarden's"):
        await secrets.apply("risk", "guard-agent-credentials", {"password": "ours"})
    assert "data" not in api.objects["Secret", "guard-agent-credentials"]


async def test_an_own_secret_that_was_made_meanwhile_counts(api: MemoryApi) -> None:
    secrets, other = (SecretStore(cast("KubernetesClient", api)) for _ in range(2))
    assert await secrets.read("risk", "guard-agent-credentials") is None
    await other.apply("risk", "guard-agent-credentials", {"password": "first"})
    with pytest.raises(ConflictError):
        await secrets.apply("risk", "guard-agent-credentials", {"password": "second"})
    assert await secrets.read("risk", "guard-agent-credentials") == {"password": "first"}


async def test_a_server_that_makes_nothing_of_a_version_is_asked_first(
    api: MemoryApi, workloads: Workloads, workload: Workload
) -> None:
    api.refuses_versions_of_what_is_not_there = True
    await workloads.apply(workload)
    secrets = SecretStore(cast("KubernetesClient", api))
    await secrets.apply("risk", "guard-agent-credentials", {"password": "ours"})
    assert api.objects["Deployment", "guard"]["spec"]["replicas"] == 3
    assert await secrets.read("risk", "guard-agent-credentials") == {"password": "ours"}
