"""An agent's pods: manifests applied where they differ, scaled, deleted. What they should be, others say."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from streamwarden_contract.reasons import ConditionReason
from streamwarden_contract.runtime_config import FORMATS_FILE

from streamwarden_operator.adapters.kubernetes.cache import ObjectPlace, ResourceCache
from streamwarden_operator.adapters.kubernetes.client import MERGE, KubernetesClient, only_new
from streamwarden_operator.adapters.kubernetes.errors import AbsentError, Request
from streamwarden_operator.adapters.kubernetes.pods import DeploymentFacts, PodFacts, any_outdated, workload_state
from streamwarden_operator.adapters.kubernetes.reading import Owned, read_owned
from streamwarden_operator.adapters.kubernetes.resource_types import (
    CONFIG_MAP,
    DEPLOYMENT,
    POD,
    SCALE_MANAGER,
    ResourceType,
    type_of,
)
from streamwarden_operator.desired.names import agent_config_name
from streamwarden_operator.desired.pods import build_creation
from streamwarden_operator.errors import ConflictError, InvalidSpecError, NotReadyError
from streamwarden_operator.plans.manifests import contains, stamp
from streamwarden_operator.ports import Manifest, Workload, WorkloadState

Build = Callable[[Workload], Sequence[Manifest]]
"""Manifests in the order to apply them, without ``spec.replicas``."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Applied:
    """What was said last, and what the object was like then: as long as both are the same, there is nothing to say."""

    uid: str
    manifest_hash: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class _Settled:
    """A workload of which everything was applied, and where: to build and compare it all again tells nothing new."""

    workload: Workload
    places: tuple[ObjectPlace, ...]


class Workloads:
    """The objects of all agents."""

    def __init__(self, client: KubernetesClient, cache: ResourceCache, build: Build) -> None:
        """Make it.

        Args:
            client: the API server.
            cache: what was last seen.
            build: makes the manifests of a workload.
        """
        self._client = client
        self._cache = cache
        self._build = build
        self._applied: dict[ObjectPlace, _Applied] = {}
        self._settled: dict[tuple[str, str], _Settled] = {}

    async def apply(self, workload: Workload) -> WorkloadState:
        """Make every object match its manifest.

        Raises:
            InvalidSpecError: ``ResourceConflict``: an object of that name is somebody else's; or the API server refuses
                a manifest.
            NotReadyError: earlier objects of that name are still ending.
        """
        who, said = (workload.namespace, workload.agent), replace(workload, replicas=0)
        settled = self._settled.get(who)
        if settled is None or settled.workload != said or not all(map(self._is_as_applied, settled.places)):
            self._settled.pop(who, None)
            manifests = self._build(workload)
            for manifest in manifests:
                await self._apply(workload, *stamp(manifest))
            self._settled[who] = _Settled(said, tuple(_place(manifest) for manifest in manifests))
        return self._state(*who, workload.spec_hash)

    def _state(self, namespace: str, agent: str, spec_hash: str) -> WorkloadState:
        """Tell how the pods are."""
        objects = self._cache.of_agent(namespace, agent)
        deployment = next((found.facts for found in objects if isinstance(found.facts, DeploymentFacts)), None)
        pods = [(found.facts, found.ending) for found in objects if isinstance(found.facts, PodFacts)]
        state = workload_state(deployment, [facts for facts, ending in pods if not ending])
        return replace(state, outdated=any_outdated(deployment, [facts for facts, _ in pods], spec_hash))

    def pods(self, namespace: str, agent: str) -> frozenset[str]:
        """Return the names of the pods that exist, ending ones too."""
        return self._cache.pods(namespace, agent)

    async def formats(self, namespace: str, agent: str, *, complete: bool) -> str:
        """Return the formats that the agent is told now.

        Args:
            namespace: the agent's.
            agent: its name.
            complete: everything was listed: what is not known is not there. Else the server is asked.
        """
        name = agent_config_name(agent)
        known = self._cache.owned(CONFIG_MAP, namespace, name)
        if known is None and complete:
            return ""
        found = json.loads(known.content) if known else await self._client.get(CONFIG_MAP, namespace, name)
        return str(((found or {}).get("data") or {}).get(FORMATS_FILE, ""))

    async def scale(self, namespace: str, agent: str, replicas: int) -> None:
        """Want so many pods; an absent workload is left absent."""
        found = next((owned for owned in self._cache.of_agent(namespace, agent) if owned.resource == DEPLOYMENT), None)
        if found is None or not isinstance(found.facts, DeploymentFacts) or found.facts.desired == replicas:
            return
        request = Request("patch", DEPLOYMENT, namespace, found.name, "scale")
        body, asked = {"spec": {"replicas": replicas}}, self._cache.order.asked()
        try:
            answer = await self._client.patch(request, body, content_type=MERGE, manager=SCALE_MANAGER)
        except AbsentError:
            return
        self._cache.note_replicas(found, replicas, answer["metadata"]["resourceVersion"], asked)

    async def delete(self, namespace: str, agent: str) -> bool:
        """Delete the pods first, then what they mount; True once nothing is left."""
        objects = self._cache.of_agent(namespace, agent)
        deployments = [found for found in objects if found.resource == DEPLOYMENT]
        for found in deployments:
            if not found.ending:
                # In the foreground it stays until its pods are gone, and no controller makes new ones meanwhile.
                await self._client.delete(_request("delete", found), uid=found.uid, foreground=True)
        if deployments or any(found.resource == POD for found in objects):
            return False
        for found in objects:
            if not found.ending:
                await self._client.delete(_request("delete", found), uid=found.uid)
        settled = self._settled.pop((namespace, agent), None)
        for place in settled.places if settled else ():
            self._applied.pop(place, None)
        return True

    async def _apply(self, workload: Workload, manifest: Manifest, manifest_hash: str) -> None:
        resource, _, name = place = _place(manifest)
        known, asked = self._cache.owned(*place), self._cache.order.asked()
        new = build_creation(manifest, workload.replicas) if resource == DEPLOYMENT else manifest
        answer = None if known is not None else await self._create(resource, new)
        if answer is None:
            known = known or await self._observe(resource, workload, name)
            if known is not None and known.ending:
                message = f"the earlier {resource.kind} {name!r} is still ending"
                raise NotReadyError(message, reason=ConditionReason.PENDING)
            if known is not None and self._is_applied(known, manifest, manifest_hash):
                return
            if known is not None and isinstance(known.facts, DeploymentFacts) and known.facts.owns_replicas:
                await self._hand_over_replicas(known, known.facts.desired)
            asked = self._cache.order.asked()
            answer = await self._client.apply(resource, manifest if known is not None else new)
        now = read_owned(resource, answer)
        self._applied[place] = _Applied(now.uid, manifest_hash, now.content_hash)
        self._cache.observe(answer, asked)
        _log.info("applied", kind=resource.kind, namespace=workload.namespace, name=name, created=known is None)

    def _is_as_applied(self, place: ObjectPlace) -> bool:
        known, applied = self._cache.owned(*place), self._applied.get(place)
        return (
            known is not None
            and applied is not None
            and not known.ending
            and (known.uid, known.content_hash) == (applied.uid, applied.content_hash)
        )

    def _is_applied(self, known: Owned, manifest: Manifest, manifest_hash: str) -> bool:
        place = (known.resource, known.namespace, known.name)
        now = _Applied(known.uid, manifest_hash, known.content_hash)
        if self._applied.get(place) == now:
            return True
        # An earlier process applied this very manifest, and all of it is still there.
        if known.manifest_hash == manifest_hash and contains(json.loads(known.content), manifest):
            self._applied[place] = now
            return True
        return False

    async def _create(self, resource: ResourceType, manifest: Manifest) -> Manifest | None:
        """Make an object that no watch shows, without looking first; None where one must look."""
        try:
            return await self._client.apply(resource, only_new(manifest))
        except (ConflictError, AbsentError):
            return None

    async def _observe(self, resource: ResourceType, workload: Workload, name: str) -> Owned | None:
        """Look on the server for an object that no watch shows, because it does not say that it is ours.

        Raises:
            InvalidSpecError: ``ResourceConflict``: it is somebody else's.
        """
        found = await self._client.get(resource, workload.namespace, name)
        if found is None:
            return None
        owned = read_owned(resource, found)
        if not owned.labelled and workload.uid not in owned.owners:
            raise InvalidSpecError(
                f"the {resource.kind} {name!r} in namespace {workload.namespace!r} is not Streamwarden's and is left "
                "alone: delete it, or give the agent another name",
                reason=ConditionReason.RESOURCE_CONFLICT,
            )
        return owned

    async def _hand_over_replicas(self, known: Owned, replicas: int) -> None:
        """Let the scaler own the number of pods: an apply that gives up a field which nobody else owns resets it."""
        body = {
            "apiVersion": DEPLOYMENT.api_version,
            "kind": DEPLOYMENT.kind,
            "metadata": {"name": known.name, "namespace": known.namespace, "uid": known.uid},
            "spec": {"replicas": replicas},
        }
        await self._client.apply(DEPLOYMENT, body, manager=SCALE_MANAGER)


def _place(manifest: Manifest) -> ObjectPlace:
    return type_of(manifest), manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _request(verb: str, found: Owned) -> Request:
    return Request(verb, found.resource, found.namespace, found.name)
