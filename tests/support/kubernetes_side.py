"""A real API server's namespace, seen by the operator's adapter and by a user beside it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from streamwarden_operator.adapters.kubernetes.client import MERGE, KubernetesClient
from streamwarden_operator.adapters.kubernetes.cluster import KubernetesCluster
from streamwarden_operator.adapters.kubernetes.errors import Request
from streamwarden_operator.adapters.kubernetes.resource_types import type_of_kind
from streamwarden_operator.desired.pod_template import GateImage
from streamwarden_operator.desired.pods import build_manifests
from streamwarden_operator.keys import key_of
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from kubernetes.aio.client import Configuration
    from streamwarden_contract.models.base import Kind
    from streamwarden_operator.adapters.kubernetes.resource_types import ResourceType
    from streamwarden_operator.keys import Key
    from streamwarden_operator.ports import Manifest, Workload
    from support.api_server import ApiServer

K = TypeVar("K", bound="Kind")

USER = "somebody"
"""Field manager of what tests change as a user."""


def build(workload: Workload) -> Sequence[Manifest]:
    return build_manifests(workload, GateImage("registry.example/gate:1"))


class KubernetesClientOf(KubernetesClient):
    """Says of the server that it is another version."""

    def __init__(self, minor: str, configuration: Configuration, *, timeout_s: float) -> None:
        super().__init__(configuration, timeout_s=timeout_s)
        self._minor = minor

    @override
    async def server_version(self) -> Manifest:
        return {**await super().server_version(), **({"minor": self._minor} if self._minor else {})}


class KubernetesSide:
    """Implements ``cluster_behaviour.Side``. The user has a client of his own, whose requests do not count."""

    def __init__(self, api_server: ApiServer, namespace: str, user: str, minor: str = "") -> None:
        self.namespace, self._minor = namespace, minor
        self.user = api_server.client()
        self._server, self._who = api_server, user
        self._clusters: list[KubernetesCluster] = []
        self.changed: list[Key] = []
        self.cluster = self.new_cluster()

    def new_cluster(self) -> KubernetesCluster:
        """Return the cluster as another process would see it: nothing is known yet."""
        client = KubernetesClientOf(self._minor, self._server.configuration(self._who), timeout_s=10.0)
        cluster = KubernetesCluster(client, build, namespaces=[self.namespace])
        cluster.on_changed = self.changed.append
        self._clusters.append(cluster)
        return cluster

    async def put(self, resource: K) -> K:
        kind = type_of_kind(type(resource))
        dumped = resource.model_dump(mode="json", by_alias=True, exclude_none=True)
        kept = {key: dumped["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": kept, "spec": dumped["spec"]}
        await self.user.apply(kind, body, manager=USER)
        await self.resync()
        key = key_of(resource)
        found = self.cluster.get(type(resource), key.namespace, key.name)
        assert found is not None
        return found

    async def delete(self, resource: Kind) -> None:
        key = key_of(resource)
        request = Request("delete", type_of_kind(type(resource)), key.namespace, key.name)
        uid = (await self.read(request.resource, key.name))["metadata"]["uid"]
        await self.user.delete(request, uid=uid)

    async def read(self, resource: ResourceType, name: str) -> Manifest:
        """Return an object as it is on the server."""
        found = await self.user.get(resource, self.namespace, name)
        assert found is not None
        return found

    async def edit(self, resource: ResourceType, name: str, change: Manifest, subresource: str = "") -> Manifest:
        """Merge a change into an object as a user would."""
        request = Request("patch", resource, self.namespace, name, subresource)
        return await self.user.patch(request, change, content_type=MERGE, manager=USER)

    async def resync(self) -> None:
        await self.cluster.resync()

    def written(self) -> int:
        return sum(
            count for (verb, _), count in self.cluster.client.requests.items() if verb in {"create", "patch", "delete"}
        )

    def sent(self) -> int:
        """Return how many requests the cluster has sent, reads too."""
        return self.cluster.client.requests.total()

    async def close(self) -> None:
        for cluster in self._clusters:
            await cluster.close()
        await self.user.close()


@asynccontextmanager
async def kubernetes_side(
    api_server: ApiServer, user: str = "admin", *, minor: str = ""
) -> AsyncIterator[KubernetesSide]:
    """Give a namespace of its own; the operator takes the server for Kubernetes ``1.<minor>`` where that is said."""
    namespace = f"t{uuid4().hex[:10]}"
    await asyncio.to_thread(api_server.kubectl, "create", "namespace", namespace)
    side = KubernetesSide(api_server, namespace, user, minor)
    try:
        yield side
    finally:
        await side.close()


def conditions(manifest: Manifest) -> dict[str, Any]:
    """Return status and reason of each condition of an object."""
    found = manifest.get("status", {}).get("conditions", ())
    return {part["type"]: (part["status"], part["reason"]) for part in found}
