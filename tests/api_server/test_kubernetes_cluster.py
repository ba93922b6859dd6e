"""What the operator sees and writes of the three kinds, on a real API server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.models import AgentDeployment, Policy
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.adapters.kubernetes import client as kubernetes_client
from streamwarden_operator.adapters.kubernetes.errors import Request
from streamwarden_operator.adapters.kubernetes.resource_types import (
    EVENT,
    ResourceType,
    type_of_kind,
)
from streamwarden_operator.errors import ConflictError, ForbiddenError
from streamwarden_operator.keys import Key
from support.cluster_behaviour import FINALIZER, STATUSES
from support.kubernetes_side import KubernetesSide, kubernetes_side
from support.operator_harness import agent, policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.api_server import ApiServer


THING = ResourceType("test.streamwarden.io/v1", "Thing", "things")
"""A kind of which two versions of a definition demand different fields."""
POLICY = type_of_kind(Policy)
AGENT = type_of_kind(AgentDeployment)


def _definition_of_things(required: str) -> dict[str, Any]:
    fields = {"type": "object", "required": [required], "properties": {required: {"type": "string"}}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": fields}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": THING.described},
        "spec": {
            "group": THING.group,
            "scope": "Namespaced",
            "names": {"kind": THING.kind, "plural": THING.plural},
            "versions": [{"name": THING.version, "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.fixture
async def side(api_server: ApiServer) -> AsyncIterator[KubernetesSide]:
    async with kubernetes_side(api_server) as made:
        yield made


# --- Seeing ------------------------------------------------------------------------------------------------------


async def test_what_was_deleted_while_no_watch_told_is_found_by_the_next_resync(side: KubernetesSide) -> None:
    put = await side.put(policy("strict", namespace=side.namespace))
    kept = await side.put(policy("watch", namespace=side.namespace))
    await side.delete(put)
    assert side.cluster.get(Policy, side.namespace, "strict") is not None
    assert await side.cluster.resync() == {Key("Policy", side.namespace, "strict")}
    assert list(side.cluster.list(Policy, side.namespace)) == [kept]


async def test_a_look_takes_page_after_page(side: KubernetesSide, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_client, "PAGE", 2)
    for number in range(5):
        await side.put(policy(f"p-{number}", namespace=side.namespace))
    assert len(side.cluster.list(Policy, side.namespace)) == 5


async def test_an_edit_needs_a_reconcile_and_a_status_does_not(side: KubernetesSide) -> None:
    await side.put(policy("strict", namespace=side.namespace))
    answer = await side.edit(POLICY, "strict", {"status": {"revision": 3}}, "status")
    assert await side.cluster.observe(answer) is None
    found = side.cluster.get(Policy, side.namespace, "strict")
    assert found is not None
    assert found.status.revision == 3
    for change in (
        {"spec": {"failureAction": "Audit"}},
        {"metadata": {"labels": {"a": "b"}}},
        {"metadata": {"annotations": {"a": "b"}}},
    ):
        answer = await side.edit(POLICY, "strict", change)
        assert await side.cluster.observe(answer) == Key("Policy", side.namespace, "strict")
        assert await side.cluster.observe(answer) is None


async def test_an_older_word_never_takes_the_place_of_a_newer_one(side: KubernetesSide) -> None:
    await side.put(policy("strict", namespace=side.namespace))
    older = await side.edit(POLICY, "strict", {"metadata": {"labels": {"age": "older"}}})
    newer = await side.edit(POLICY, "strict", {"metadata": {"labels": {"age": "newer"}}})
    assert await side.cluster.observe(newer) is not None
    assert await side.cluster.observe(older) is None
    found = side.cluster.get(Policy, side.namespace, "strict")
    assert found is not None
    assert found.metadata.labels == {"age": "newer"}
    assert side.cluster.forget(newer) == Key("Policy", side.namespace, "strict")
    assert await side.cluster.observe(newer) is None
    assert side.cluster.get(Policy, side.namespace, "strict") is None


# --- Status and finalizers -----------------------------------------------------------------------------------------


async def test_f5_a_status_that_speaks_of_an_earlier_spec_is_not_written(side: KubernetesSide) -> None:
    put = await side.put(policy("strict", namespace=side.namespace))
    await side.edit(POLICY, "strict", {"spec": {"failureAction": "Audit"}})
    with pytest.raises(ConflictError):
        await side.cluster.write_status(put, STATUSES[Policy][0])
    assert side.changed == [Key("Policy", side.namespace, "strict")]
    now = side.cluster.get(Policy, side.namespace, "strict")
    assert now is not None
    assert now.spec.failure_action == "Audit"
    await side.cluster.write_status(now, STATUSES[Policy][0])
    assert (await side.read(POLICY, "strict"))["status"]["revision"] == 7


async def test_a_status_of_a_resource_that_vanished_unseen_makes_it_forgotten(side: KubernetesSide) -> None:
    put = await side.put(policy("strict", namespace=side.namespace))
    await side.delete(put)
    await side.cluster.write_status(put, STATUSES[Policy][0])
    assert side.cluster.get(Policy, side.namespace, "strict") is None
    assert side.changed == [Key("Policy", side.namespace, "strict")]


async def test_finalizers_of_others_stay_though_they_came_unseen(side: KubernetesSide) -> None:
    put = await side.put(agent(namespace=side.namespace))
    await side.edit(AGENT, "guard", {"metadata": {"finalizers": ["example.com/other"]}})
    with pytest.raises(ConflictError):
        await side.cluster.set_finalizer(put, FINALIZER, present=True)
    await side.cluster.set_finalizer(put, FINALIZER, present=True)
    found = await side.read(AGENT, "guard")
    assert found["metadata"]["finalizers"] == ["example.com/other", FINALIZER]
    await side.cluster.set_finalizer(put, FINALIZER, present=False)
    assert (await side.read(AGENT, "guard"))["metadata"]["finalizers"] == ["example.com/other"]
    await side.edit(AGENT, "guard", {"metadata": {"finalizers": []}})


async def test_a_resource_that_goes_with_its_finalizer_is_told_to_those_who_depend_on_it(side: KubernetesSide) -> None:
    put = await side.put(agent(namespace=side.namespace))
    await side.cluster.set_finalizer(put, FINALIZER, present=True)
    await side.delete(put)
    await side.resync()
    await side.cluster.set_finalizer(put, FINALIZER, present=False)
    assert side.changed == [Key("AgentDeployment", side.namespace, "guard")]


async def test_a_deleted_resource_that_cannot_be_read_loses_our_finalizer_and_is_gone(side: KubernetesSide) -> None:
    put = await side.put(agent(namespace=side.namespace))
    await side.cluster.set_finalizer(put, FINALIZER, present=True)
    await side.delete(put)
    await side.cluster.observe({**await side.read(AGENT, "guard"), "spec": {"novelty": 1}})
    key = Key("AgentDeployment", side.namespace, "guard")
    leaving = side.cluster.unreadable()[key]
    assert leaving.metadata.deletion_timestamp is not None
    await side.cluster.set_finalizer(leaving, FINALIZER, present=False)
    assert await side.user.get(AGENT, side.namespace, "guard") is None
    assert not side.cluster.unreadable()
    assert side.changed == [key]


async def test_an_object_that_its_crd_refuses_by_now_still_loses_its_finalizer(
    side: KubernetesSide, api_server: ApiServer
) -> None:
    await asyncio.to_thread(api_server.apply, _definition_of_things(required="old"))
    await asyncio.to_thread(api_server.wait_served, THING.described)
    metadata = {"name": "a", "namespace": side.namespace, "finalizers": [FINALIZER]}
    thing = {"apiVersion": THING.api_version, "kind": THING.kind, "metadata": metadata, "spec": {"old": "x"}}
    await asyncio.to_thread(api_server.apply, thing)
    await asyncio.to_thread(api_server.apply, _definition_of_things(required="new"))
    uid = (await side.read(THING, "a"))["metadata"]["uid"]
    await side.user.delete(Request("delete", THING, side.namespace, "a"), uid=uid)
    await side.edit(THING, "a", {"metadata": {"finalizers": []}})
    assert await side.user.get(THING, side.namespace, "a") is None


# --- Events --------------------------------------------------------------------------------------------------------


async def test_the_same_words_about_the_same_resource_are_one_event_that_counts(side: KubernetesSide) -> None:
    put = await side.put(policy("strict", namespace=side.namespace))
    key = Key("Policy", side.namespace, "strict")
    for message in ("no", "no", "why", "no"):
        await side.cluster.record_event(key, reason="RejectedByGate", message=message, warning=True)
    found = [event async for page, _ in side.user.pages(EVENT, side.namespace) for event in page]
    assert sorted((event["message"], event["count"], event["type"], event["reason"]) for event in found) == [
        ("no", 3, "Warning", "RejectedByGate"),
        ("why", 1, "Warning", "RejectedByGate"),
    ]
    assert {event["involvedObject"]["uid"] for event in found} == {put.metadata.uid}


# --- Rights --------------------------------------------------------------------------------------------------------


async def test_f16_a_missing_right_is_named_as_a_role_would_name_it(api_server: ApiServer) -> None:
    async with kubernetes_side(api_server, "nobody") as side:
        with pytest.raises(ForbiddenError) as refused:
            await side.resync()
    assert refused.value.reason is ConditionReason.FORBIDDEN
    words = f"forbids to list topiccontracts.streamwarden.io in namespace '{side.namespace}'"
    assert words in str(refused.value)
    assert "config/rbac" in str(refused.value)


async def test_an_event_that_may_not_be_written_fails_nobody(api_server: ApiServer) -> None:
    async with kubernetes_side(api_server) as owner:
        put = await owner.put(policy("strict", namespace=owner.namespace))
        async with kubernetes_side(api_server, "nobody") as side:
            await side.cluster.observe(await owner.read(POLICY, "strict"))
            key = Key("Policy", owner.namespace, put.metadata.name)
            await side.cluster.record_event(key, reason="R", message="m", warning=True)
            assert side.cluster.client.requests["create", "events"] == 1


async def test_f15_without_the_crds_a_look_says_what_to_apply(bare_api_server: ApiServer) -> None:
    async with kubernetes_side(bare_api_server) as side:
        side.cluster._resources = (ResourceType("streamwarden.io/v9", "Policy", "policies"),)
        with pytest.raises(Exception, match=r"does not serve policies.streamwarden.io: are the CRDs installed\?"):
            await side.cluster.resync()
