"""A list that does not come to its end: what it has found is in the cache, and the next one finds no change in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from streamwarden_operator.adapters.kubernetes.cluster import KubernetesCluster
from streamwarden_operator.adapters.kubernetes.errors import AbsentError, ExpiredError
from streamwarden_operator.adapters.kubernetes.resource_types import KINDS
from streamwarden_operator.errors import ForbiddenError, KubernetesUnavailableError
from streamwarden_operator.keys import Key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamwarden_operator.adapters.kubernetes.resource_types import ResourceType
    from streamwarden_operator.keys import KeyKind

CONTRACTS, POLICIES, AGENTS = (resource.plural for resource in KINDS)


def manifest(resource: ResourceType, name: str, version: str = "1") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "risk", "uid": f"{resource.kind}-{name}", "resourceVersion": version}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": {}}


class Server:
    """An API server that lists one object a page."""

    def __init__(self) -> None:
        self.objects = {resource.plural: [manifest(resource, "old")] for resource in KINDS}
        self.fails: dict[str, Exception] = {}
        """By resource: what comes in place of its last page."""

    def add(self, name: str) -> None:
        """Make one of each kind, and let no watch tell of it."""
        for resource in KINDS:
            self.objects[resource.plural].insert(0, manifest(resource, name, "2"))

    async def server_version(self) -> dict[str, Any]:
        return {"major": "1", "minor": "37"}

    async def create(self, _resource: object, _manifest: object) -> None:
        """Take an Event."""

    async def pages(
        self, resource: ResourceType, _namespace: str | None, _selector: str = "", _name: str = ""
    ) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        *first, last = self.objects[resource.plural]
        for each in first:
            yield [each], "9"
        if (error := self.fails.get(resource.plural)) is not None:
            if isinstance(error, ExpiredError):
                del self.fails[resource.plural]
            raise error
        yield [last], "9"


async def opened(server: Server) -> KubernetesCluster:
    cluster = KubernetesCluster(cast("Any", server), lambda _: [], resources=KINDS)
    await cluster.resync()
    return cluster


def found(name: str, *kinds: KeyKind) -> set[Key]:
    return {Key(kind, "risk", name) for kind in kinds}


async def test_what_was_seen_before_a_page_was_too_old_is_found_changed() -> None:
    server = Server()
    cluster = await opened(server)
    server.add("new")
    server.fails[POLICIES] = ExpiredError("list policies")
    assert await cluster.resync() == found("new", "TopicContract", "Policy", "AgentDeployment")


async def test_what_was_seen_before_the_api_server_failed_is_found_changed() -> None:
    server = Server()
    cluster = await opened(server)
    server.add("new")
    server.fails[POLICIES] = KubernetesUnavailableError("no answer within 10 s")
    with pytest.raises(KubernetesUnavailableError):
        await cluster.resync()
    assert cluster.take_found() == found("new", "TopicContract", "Policy")
    del server.fails[POLICIES]
    assert await cluster.resync() == found("new", "AgentDeployment")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param(ForbiddenError("forbids to list policies"), "forbids to list policies", id="may-not-be-listed"),
        pytest.param(AbsentError("list"), "does not serve policies.*are the CRDs installed", id="is-not-served"),
    ],
)
async def test_a_resource_that_alone_cannot_be_listed_keeps_nobody_from_the_others(error: Exception, said: str) -> None:
    server = Server()
    cluster = await opened(server)
    server.add("new")
    server.objects[AGENTS].pop()
    server.fails[POLICIES] = error
    with pytest.raises(KubernetesUnavailableError, match=said):
        await cluster.resync()
    assert cluster.take_found() == found("new", "TopicContract", "Policy", "AgentDeployment") | found(
        "old", "AgentDeployment"
    )
    del server.fails[POLICIES]
    assert await cluster.resync() == frozenset()
