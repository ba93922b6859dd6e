"""The three kinds as an API server has them, read again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from streamwarden_operator.adapters.kubernetes_client import KubernetesClient, load_configuration
from streamwarden_operator.adapters.kubernetes_cluster import KubernetesCluster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamwarden_contract.models.base import Kind

K = TypeVar("K", bound="Kind")

_TIMEOUT_S = 10.0


class Resources:
    """What is there now. All calls from one event loop."""

    def __init__(self, context: str, namespaces: frozenset[str]) -> None:
        self._context = context
        self._namespaces = namespaces
        self._cluster: KubernetesCluster | None = None

    def of_kind(self, kind: type[K]) -> Sequence[K]:
        """Return the resources of a kind, as last seen."""
        return () if self._cluster is None else self._cluster.list(kind)

    async def look(self) -> None:
        """Read everything.

        Raises:
            OperatorError: the API server does not answer, or refuses.
        """
        await (await self._connected()).resync()

    async def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return a Secret's values; None where there is none."""
        return await (await self._connected()).read_secret(namespace, name)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._cluster is not None:
            await self._cluster.close()

    async def _connected(self) -> KubernetesCluster:
        if self._cluster is None:
            client = KubernetesClient(await load_configuration(self._context), timeout_s=_TIMEOUT_S)
            # It reads only: it has no manifests to make.
            self._cluster = KubernetesCluster(client, lambda _: (), namespaces=self._namespaces)
        return self._cluster
