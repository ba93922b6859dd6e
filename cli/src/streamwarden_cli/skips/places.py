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
from streamwarden_operator.errors import ConflictError, OperatorError

from streamwarden_cli.local.skip_requests import read_requests, write_requests
from streamwarden_cli.skips.asking import Known, SkipError
from streamwarden_cli.skips.owners import MANAGER, key_of, owned_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from streamwarden_contract.models.skip import SkipRequest
    from streamwarden_operator.ports import Manifest

    from streamwarden_cli.local.running import RunningDev

T = TypeVar("T")

_TRIES = 5
"""The operator writes the agent's status now and then, which makes what was read the version before."""
_TIMEOUT_S = 10.0
_AGENTS = ResourceType(API_VERSION, AgentDeployment.__name__, AgentDeployment.plural)


class Place(Protocol):
    """Keeps the requests of one agent. All of it raises ``SkipError``."""

    def read(self) -> Known:
        """Return all requests that there are."""

    def change(self, change: Callable[[Known], Sequence[SkipRequest]]) -> None:
        """Replace those of this command by what becomes of all that there are; nobody else's is lost."""


@dataclass(frozen=True, slots=True)
class DevPlace:
    """A running ``dev``, which adds them to what its manifests say."""

    dev: RunningDev
    namespace: str
    agent: str

    def read(self) -> Known:
        """Return all requests that there are."""
        known = {(each.metadata.namespace, each.metadata.name): each for each in self.dev.agents()}
        agent = known.get((self.namespace, self.agent))
        if agent is None:
            raise SkipError(f"no AgentDeployment {self.namespace}/{self.agent} runs here")
        own = read_requests(self.dev.state, self.namespace, self.agent)
        others = {key_of(each) for each in agent.spec.skips} - {key_of(each) for each in own}
        return Known(own, dict.fromkeys(others, "as this dev reads them"))

    def change(self, change: Callable[[Known], Sequence[SkipRequest]]) -> None:
        """Replace those of this command by what becomes of all that there are."""
        write_requests(self.dev.state, self.namespace, self.agent, change(self.read()))


@dataclass(frozen=True, slots=True)
class ClusterPlace:
    """The AgentDeployment's spec: whoever may patch it may ask."""

    context: str
    """Of the kubeconfig; empty: its current one."""
    namespace: str
    agent: str

    def read(self) -> Known:
        """Return all requests that there are."""

        async def read(client: KubernetesClient) -> Known:
            return self._known(await self._get(client))

        return self._run(read)

    def change(self, change: Callable[[Known], Sequence[SkipRequest]]) -> None:
        """Replace those of this command by what becomes of all that there are; nobody else's is lost."""

        async def apply(client: KubernetesClient) -> None:
            for tries_left in reversed(range(_TRIES)):
                found = await self._get(client)
                manifest = self._manifest(change(self._known(found)), found["metadata"]["resourceVersion"])
                try:
                    await client.apply(_AGENTS, manifest, manager=MANAGER, force=False)
                except ConflictError:
                    if not tries_left:
                        raise
                else:
                    return

        self._run(apply)

    async def _get(self, client: KubernetesClient) -> Manifest:
        found = await client.get(_AGENTS, self.namespace, self.agent)
        if found is None:
            raise SkipError(f"there is no AgentDeployment {self.namespace}/{self.agent}")
        return found

    def _known(self, found: Manifest) -> Known:
        try:
            skips = AgentDeployment.model_validate({key: found[key] for key in ("metadata", "spec")}).spec.skips
        except ValidationError as error:
            raise SkipError(f"this version cannot read the AgentDeployment {self.namespace}/{self.agent}") from error
        owned = list(owned_keys(found))
        ours = {key for key, manager in owned if not manager}
        others = dict.fromkeys(
            (key_of(each) for each in skips if key_of(each) not in ours), "written by an unknown manager"
        )
        others |= {key: f"written by {manager}" for key, manager in owned if manager}
        return Known(tuple(each for each in skips if key_of(each) in ours), others)

    def _manifest(self, requests: Sequence[SkipRequest], version: str) -> Manifest:
        return {
            "apiVersion": API_VERSION,
            "kind": AgentDeployment.__name__,
            "metadata": {"namespace": self.namespace, "name": self.agent, "resourceVersion": version},
            "spec": {"skips": [request.model_dump(mode="json", by_alias=True) for request in requests]},
        }

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
