"""An agent's objects on a real API server: applied where they differ, put right, left alone, deleted in order."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.adapters.kubernetes.resource_types import (
    CONFIG_MAP,
    DEPLOYMENT,
    POD,
    SECRET,
    ResourceType,
)
from streamwarden_operator.errors import InvalidSpecError
from streamwarden_operator.keys import Key
from support.cluster_behaviour import workload_of
from support.kubernetes_side import USER, KubernetesSide, kubernetes_side
from support.operator_harness import agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streamwarden_operator.ports import Manifest, Workload
    from support.api_server import ApiServer


_WAIT_S = 60.0


@pytest.fixture
async def side(api_server: ApiServer) -> AsyncIterator[KubernetesSide]:
    async with kubernetes_side(api_server) as made:
        yield made


@pytest.fixture
async def workload(side: KubernetesSide) -> Workload:
    """A workload whose objects exist, with its one pod."""
    made = workload_of(await side.put(agent(namespace=side.namespace)))
    await side.cluster.apply_workload(made)
    await seen(side, lambda: side.cluster.pods(side.namespace, "guard"))
    return made


async def seen(side: KubernetesSide, holds: Callable[[], object]) -> None:
    """Look until something holds."""
    async with asyncio.timeout(_WAIT_S):
        while not holds():
            await side.resync()


async def the_pod(side: KubernetesSide) -> Manifest:
    (name,) = sorted(side.cluster.pods(side.namespace, "guard") or ())
    return await side.read(POD, name)


async def test_a_look_at_what_has_not_changed_reports_nothing(side: KubernetesSide, workload: Workload) -> None:
    await side.resync()
    assert workload.agent == "guard"
    assert await side.cluster.resync() == frozenset()


async def test_a_second_apply_of_the_same_sends_no_request(side: KubernetesSide, workload: Workload) -> None:
    before = side.sent()
    await side.cluster.apply_workload(workload)
    assert side.sent() == before


async def test_another_process_takes_over_without_a_request(side: KubernetesSide, workload: Workload) -> None:
    other = side.new_cluster()
    await other.resync()
    before = other.client.requests.total()
    assert (await other.apply_workload(workload)).desired == 1
    assert other.client.requests.total() == before


async def test_a_change_by_somebody_else_is_put_right_and_the_number_of_pods_left(
    side: KubernetesSide, workload: Workload
) -> None:
    container = {"name": "agent", "image": "evil:1"}
    stolen = {"spec": {"replicas": 3, "template": {"spec": {"containers": [container]}}}}
    answer = await side.edit(DEPLOYMENT, "guard", stolen)
    assert await side.cluster.observe(answer) == Key("AgentDeployment", side.namespace, "guard")
    assert (await side.cluster.apply_workload(workload)).desired == 3
    found = (await side.read(DEPLOYMENT, "guard"))["spec"]
    assert found["replicas"] == 3
    assert found["template"]["spec"]["containers"][0]["image"] == workload.image
    before = side.sent()
    await side.cluster.apply_workload(workload)
    assert side.sent() == before


async def test_what_another_process_finds_changed_is_put_right(side: KubernetesSide, workload: Workload) -> None:
    await side.edit(CONFIG_MAP, "guard-gate-config", {"data": {"public-keys.json": "{'evil': 1}"}})
    other = side.new_cluster()
    await other.resync()
    await other.apply_workload(workload)
    assert (await side.read(CONFIG_MAP, "guard-gate-config"))["data"]["public-keys.json"] == "{}"


async def test_a_label_that_somebody_took_away_comes_back(side: KubernetesSide, workload: Workload) -> None:
    answer = await side.edit(CONFIG_MAP, "guard-gate-config", {"metadata": {"labels": None}})
    assert side.cluster.forget(answer) == Key("AgentDeployment", side.namespace, "guard")
    await side.cluster.apply_workload(workload)
    labels = (await side.read(CONFIG_MAP, "guard-gate-config"))["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "streamwarden-operator"
    before = side.sent()
    await side.cluster.apply_workload(workload)
    assert side.sent() == before


@pytest.mark.parametrize(
    ("resource", "name", "content"),
    [
        pytest.param(CONFIG_MAP, "guard-agent-config", {"data": {"a": "b"}}, id="a-config-map"),
        pytest.param(
            DEPLOYMENT,
            "guard",
            {
                "spec": {
                    "selector": {"matchLabels": {"a": "b"}},
                    "template": {
                        "metadata": {"labels": {"a": "b"}},
                        "spec": {"containers": [{"name": "c", "image": "i"}]},
                    },
                }
            },
            id="a-deployment",
        ),
    ],
)
async def test_f22_what_somebody_else_made_under_the_name_is_left_alone(
    side: KubernetesSide, resource: ResourceType, name: str, content: Manifest
) -> None:
    metadata = {"name": name, "namespace": side.namespace}
    foreign = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **content}
    await side.user.apply(resource, foreign, manager=USER)
    workload = workload_of(await side.put(agent(namespace=side.namespace)))
    with pytest.raises(InvalidSpecError, match=f"the {resource.kind} '{name}' .* is not Streamwarden's") as refused:
        await side.cluster.apply_workload(workload)
    assert refused.value.reason is ConditionReason.RESOURCE_CONFLICT
    managers = {entry["manager"] for entry in (await side.read(resource, name))["metadata"]["managedFields"]}
    assert managers <= {USER, "kube-controller-manager"}


async def test_a_foreign_secret_is_neither_read_nor_written_nor_deleted(side: KubernetesSide) -> None:
    metadata = {"name": "guard-agent-credentials", "namespace": side.namespace}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"a": "c2VjcmV0"}}
    await side.user.apply(SECRET, secret, manager=USER)
    where = (side.namespace, "guard-agent-credentials")
    with pytest.raises(InvalidSpecError, match="not Streamwarden's") as refused:
        await side.cluster.read_secret(*where)
    assert "secret" not in str(refused.value).replace("Secret", "")
    with pytest.raises(InvalidSpecError, match="not Streamwarden's"):
        await side.cluster.apply_secret(*where, {"a": "b"})
    await side.cluster.delete_secret(*where)
    assert (await side.read(SECRET, where[1]))["data"] == {"a": "c2VjcmV0"}


async def test_a_secret_that_the_server_refuses_is_not_quoted(side: KubernetesSide) -> None:
    with pytest.raises(InvalidSpecError, match="patch secrets 'guard-agent-credentials'") as refused:
        await side.cluster.apply_secret(side.namespace, "guard-agent-credentials", {"no/key": "hunter2"})
    assert "hunter2" not in str(refused.value)
    assert base64.b64encode(b"hunter2").decode() not in str(refused.value)


async def test_pods_end_before_what_they_mount_is_taken(side: KubernetesSide, workload: Workload) -> None:
    pod = await the_pod(side)
    held = {"metadata": {"finalizers": ["example.com/held"]}}
    await side.edit(POD, pod["metadata"]["name"], held)  # as a pod on a node takes its time
    assert not await side.cluster.delete_workload(side.namespace, workload.agent)
    await seen(side, lambda: side.cluster._cache.owned(POD, side.namespace, pod["metadata"]["name"]).ending)  # type: ignore[union-attr]
    assert not await side.cluster.delete_workload(side.namespace, workload.agent)
    assert set(side.cluster.pods(side.namespace, "guard") or ()) == {pod["metadata"]["name"]}
    assert await side.user.get(CONFIG_MAP, side.namespace, "guard-gate-config")
    await side.edit(POD, pod["metadata"]["name"], {"metadata": {"finalizers": []}})
    await seen(side, lambda: not side.cluster.pods(side.namespace, "guard"))
    await seen(side, lambda: side.cluster._cache.owned(DEPLOYMENT, side.namespace, "guard") is None)
    assert await side.cluster.delete_workload(side.namespace, workload.agent)
    assert await side.user.get(CONFIG_MAP, side.namespace, "guard-gate-config") is None


async def test_a_new_workload_waits_for_the_end_of_the_earlier_one(side: KubernetesSide, workload: Workload) -> None:
    name = (await the_pod(side))["metadata"]["name"]
    await side.edit(POD, name, {"metadata": {"finalizers": ["example.com/held"]}})
    await side.cluster.delete_workload(side.namespace, workload.agent)
    await side.resync()
    with pytest.raises(Exception, match="the earlier Deployment 'guard' is still ending"):
        await side.cluster.apply_workload(replace(workload, image="guard:2"))
    await side.edit(POD, name, {"metadata": {"finalizers": []}})


# --- How the pods are ------------------------------------------------------------------------------------------------


async def test_a_pod_counts_as_ready_when_its_agent_is(side: KubernetesSide, workload: Workload) -> None:
    state = await side.cluster.apply_workload(workload)
    assert (state.replicas, state.desired, state.ready, state.crashing) == (1, 1, 0, "")
    agent_runs = {"name": "agent", "ready": True, "image": "guard:1", "imageID": "", "restartCount": 0, "state": {}}
    name = (await the_pod(side))["metadata"]["name"]
    answer = await side.edit(POD, name, {"status": {"containerStatuses": [agent_runs]}}, "status")
    assert await side.cluster.observe(answer) == Key("AgentDeployment", side.namespace, "guard")
    assert (await side.cluster.apply_workload(workload)).ready == 1


async def test_f17_a_quota_that_leaves_no_room_is_told_with_what_to_do(side: KubernetesSide) -> None:
    metadata = {"name": "none", "namespace": side.namespace}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"pods": "0"}}}
    await side.user.apply(ResourceType("v1", "ResourceQuota", "resourcequotas"), quota, manager=USER)
    workload = workload_of(await side.put(agent(namespace=side.namespace)))
    await side.cluster.apply_workload(workload)
    async with asyncio.timeout(_WAIT_S):
        while not (state := await side.cluster.apply_workload(workload)).crashing:
            await side.resync()
    assert "Kubernetes makes no pods" in state.crashing
    assert "exceeded quota: none" in state.crashing
    assert "ResourceQuota" in state.crashing
