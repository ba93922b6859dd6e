"""An API server that has one Lease, a clock that a test moves on, and who takes part in the election by both."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from streamwarden_operator.adapters.kubernetes.election import Election
from streamwarden_operator.errors import ConflictError, KubernetesUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamwarden_operator.adapters.kubernetes.resource_types import ResourceType
    from streamwarden_operator.ports import Manifest


class Server:
    """One Lease, as the API server keeps it."""

    def __init__(self) -> None:
        self.lease: Manifest | None = None
        self.version = 0
        self.down = False
        self.hangs = False
        self.closed = 0
        self.asked = 0

    async def get(self, _resource: ResourceType, _namespace: str, _name: str) -> Manifest | None:
        self.asked += 1
        await self._answer()
        return self.lease

    async def create(self, _resource: ResourceType, manifest: Manifest) -> Manifest:
        await self._answer()
        if self.lease is not None:
            raise ConflictError("there is one")
        return self._store(manifest)

    async def replace(self, _resource: ResourceType, manifest: Manifest) -> Manifest:
        await self._answer()
        if self.lease is None or manifest["metadata"]["resourceVersion"] != str(self.version):
            raise ConflictError("it has another version")
        return self._store(manifest)

    async def close(self) -> None:
        self.closed += 1

    def _store(self, manifest: Manifest) -> Manifest:
        self.version += 1
        metadata = {**manifest["metadata"], "resourceVersion": str(self.version)}
        self.lease = {**manifest, "metadata": metadata}
        return self.lease

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.down:
            raise KubernetesUnavailableError("no answer")

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        return cast("dict[str, Any]", self.lease["spec"])


class Clock:
    """Monotonic seconds that a test moves on."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def replica(server: Server, clock: Callable[[], float], identity: str = "one") -> Election:
    """One process; nobody has led before the first Lease of this server was made."""

    async def is_new() -> bool:
        return server.version == 0

    names = {"namespace": "streamwarden", "name": "streamwarden-leader", "identity": identity}
    return Election(cast("Any", server), **names, is_new=is_new, clock_s=clock)
