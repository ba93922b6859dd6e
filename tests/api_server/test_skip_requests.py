"""``streamwarden gate skip`` in a cluster: it owns the requests of an agent and nothing else of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.skips.asking import Known, SkipError
from streamwarden_cli.skips.owners import key_of
from streamwarden_cli.skips.places import ClusterPlace
from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.models.skip import SkipRequest
from streamwarden_operator.adapters.kubernetes.resource_types import type_of_kind
from support.kubernetes_side import USER, KubernetesSide, kubernetes_side
from support.operator_harness import agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamwarden_operator.ports import Manifest
    from support.api_server import ApiServer

AGENTS = type_of_kind(AgentDeployment)


def request(first: int, last: int) -> SkipRequest:
    return SkipRequest(
        topic_id="an-id",
        partition=0,
        from_offset=first,
        to_offset=last,
        seen_end_offset=9,
        reason="broken",
        requested_by="ada",
    )


@pytest.fixture
async def side(api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubernetesSide]:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    async with kubernetes_side(api_server) as made:
        await made.put(agent(namespace=made.namespace))
        yield made


async def found(side: KubernetesSide) -> Manifest:
    there = await side.user.get(AGENTS, side.namespace, "guard")
    assert there is not None
    return there


async def test_requests_are_replaced_and_what_others_own_stays(side: KubernetesSide) -> None:
    place = ClusterPlace("", side.namespace, "guard")
    before = (await found(side))["spec"]
    assert await asyncio.to_thread(place.read) == Known((), {})

    await asyncio.to_thread(place.change, lambda _: [request(3, 4), request(7, 7)])
    assert await asyncio.to_thread(place.read) == Known((request(3, 4), request(7, 7)), {})
    await asyncio.to_thread(place.change, lambda _: [request(7, 7)])
    assert await asyncio.to_thread(place.read) == Known((request(7, 7),), {})

    await side.put(agent(namespace=side.namespace))  # as its repository says, which knows of no request
    there = await found(side)
    assert there["spec"] == {**before, "skips": [request(7, 7).model_dump(mode="json", by_alias=True)]}
    managers = {entry["manager"] for entry in there["metadata"]["managedFields"]}
    assert {USER, "streamwarden-skip"} <= managers


async def test_what_manifests_ask_for_is_left_to_them(side: KubernetesSide) -> None:
    place, theirs = ClusterPlace("", side.namespace, "guard"), request(3, 4)
    asking = agent(namespace=side.namespace)
    await side.put(asking.model_copy(update={"spec": asking.spec.model_copy(update={"skips": (theirs,)})}))
    known = await asyncio.to_thread(place.read)
    assert known == Known((), {key_of(theirs): f"written by {USER}"})
    await asyncio.to_thread(place.change, lambda _: [request(7, 7)])
    assert await asyncio.to_thread(place.read) == Known((request(7, 7),), known.others)
    with pytest.raises(SkipError, match="conflict"):
        await asyncio.to_thread(place.change, lambda _: [theirs.model_copy(update={"reason": "mine"})])


async def test_what_cannot_be_asked_is_said(side: KubernetesSide) -> None:
    with pytest.raises(SkipError, match=f"there is no AgentDeployment {side.namespace}/nobody"):
        await asyncio.to_thread(ClusterPlace("", side.namespace, "nobody").read)
    with pytest.raises(SkipError, match="fromOffset must not be above toOffset"):
        await asyncio.to_thread(
            ClusterPlace("", side.namespace, "guard").change,
            lambda _: [request(3, 4).model_copy(update={"from_offset": 5})],
        )
