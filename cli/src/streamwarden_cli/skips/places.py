"""Where an agent's requests are kept: its spec in a cluster, or the state folder of a running ``dev``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from pydantic import ValidationError
from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.models.base import API_VERSION
from streamwarden_operator.adapters.kubernetes.client import KubernetesClient, load_configuration
from streamwarden_operator.adapters.kubernetes.resource_types import ResourceType
from streamwarden_operator.errors import OperatorError

from streamwarden_cli.local.skip_requests import read_requests, write_requests
from streamwarden_cli.skips.asking import SkipError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from streamwarden_contract.models.skip import SkipRequest

    from streamwarden_cli.local.running import RunningDev

T = TypeVar("T")

MANAGER = "streamwarden-skip"
"""Owns the requests in server-side apply: what GitOps owns of the agent stays its own."""
_TIMEOUT_S = 10.0
_AGENTS = ResourceType(API_VERSION, AgentDeployment.__name__, AgentDeployment.plural)


class Place(Protocol):
    """Keeps the requests of one agent. All of it raises ``SkipError``."""

    def read(self) -> Sequence[SkipRequest]:
        """Return all requests that there are."""

    def write(self, requests: Sequence[SkipRequest]) -> None:
        """Replace those that were written by this command."""


@dataclass(frozen=True, slots=True)
class DevPlace:
    """A running ``dev``, which adds them to what its manifests say."""

    dev: RunningDev
    namespace: str
    agent: str

    def read(self) -> Sequence[SkipRequest]:
        """Return all requests that there are."""
        known = {(each.metadata.namespace, each.metadata.name) for each in self.dev.agents()}
        if (self.namespace, self.agent) not in known:
            raise SkipError(f"no AgentDeployment {self.namespace}/{self.agent} runs here")
        return read_requests(self.dev.state, self.namespace, self.agent)

    def write(self, requests: Sequence[SkipRequest]) -> None:
        """Replace those that were written by this command."""
        write_requests(self.dev.state, self.namespace, self.agent, requests)


@dataclass(frozen=True, slots=True)
class ClusterPlace:
    """The AgentDeployment's spec: whoever may patch it may ask."""

    context: str
    """Of the kubeconfig; empty: its current one."""
    namespace: str
    agent: str

    def read(self) -> Sequence[SkipRequest]:
        """Return all requests that there are."""
        return self._run(self._read)

    def write(self, requests: Sequence[SkipRequest]) -> None:
        """Replace those that were written by this command."""
        skips = [request.model_dump(mode="json", by_alias=True) for request in requests]
        manifest = {
            "apiVersion": API_VERSION,
            "kind": AgentDeployment.__name__,
            "metadata": {"namespace": self.namespace, "name": self.agent},
            "spec": {"skips": skips},
        }

        async def apply(client: KubernetesClient) -> None:
            await client.apply(_AGENTS, manifest, manager=MANAGER)

        self._run(apply)

    async def _read(self, client: KubernetesClient) -> Sequence[SkipRequest]:
        found = await client.get(_AGENTS, self.namespace, self.agent)
        if found is None:
            raise SkipError(f"there is no AgentDeployment {self.namespace}/{self.agent}")
        try:
            return AgentDeployment.model_validate({key: found[key] for key in ("metadata", "spec")}).spec.skips
        except ValidationError as error:
            raise SkipError(f"this version cannot read the AgentDeployment {self.namespace}/{self.agent}") from error

    def _run(self, work: Callable[[KubernetesClient], Coroutine[None, None, T]]) -> T:
        async def run() -> T:
            client = KubernetesClient(await load_configuration(self.context), timeout_s=_TIMEOUT_S)
            try:
                return await work(client)
            finally:
                await client.close()

        try:
            return asyncio.run(run())
        except OperatorError as error:
            raise SkipError(str(error)) from error
