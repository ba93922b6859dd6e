"""The Kubernetes side on a real API server: reads come from a cache, writes are sent where they change something."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import structlog
from streamwarden_contract.models.base import Kind, Status
from typing_extensions import override

from streamwarden_operator.adapters.kubernetes.cache import ObjectPlace, ResourceCache, place_of
from streamwarden_operator.adapters.kubernetes.client import KubernetesClient
from streamwarden_operator.adapters.kubernetes.errors import AbsentError, ExpiredError
from streamwarden_operator.adapters.kubernetes.events import EventRecorder
from streamwarden_operator.adapters.kubernetes.order import OLDEST, order_for, version_of
from streamwarden_operator.adapters.kubernetes.resource_types import (
    CONFIG_MAP,
    KINDS,
    NAMESPACE,
    OWNED,
    ResourceType,
    selector_of,
    type_of,
)
from streamwarden_operator.adapters.kubernetes.secrets import SecretStore
from streamwarden_operator.adapters.kubernetes.workloads import Build, Workloads
from streamwarden_operator.adapters.kubernetes.writes import ResourceWriter
from streamwarden_operator.errors import ForbiddenError, KubernetesUnavailableError, OperatorError
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.ports import NOT_READABLE, Cluster, Manifest, Unreadable, Workload, WorkloadState

K = TypeVar("K", bound=Kind)

_LIST_ATTEMPTS = 3

_log = structlog.get_logger(__name__)


def _nobody(_key: Key) -> None:
    """Before anybody listens."""


class KubernetesCluster(Cluster):
    """Implements ``ports.Cluster``. All calls from one event loop.

    Watches bring it what they see (``see``); ``resync`` lists everything. Each returns the keys to
    reconcile because of it. ``on_changed`` is called with what was found changed on another way.
    """

    def __init__(
        self,
        client: KubernetesClient,
        build: Build,
        *,
        namespaces: Collection[str] = (),
        resources: Collection[ResourceType] = (*KINDS, *OWNED),
    ) -> None:
        """Make it; nothing is known before the first ``resync``.

        Args:
            client: the API server.
            build: makes the manifests of a workload.
            namespaces: the namespaces to list; none: all.
            resources: what ``resync`` lists; who only reads the three kinds needs no more.
        """
        self.on_changed: Callable[[Key], None] = _nobody
        self.client = client
        self.secrets = SecretStore(client)
        self._namespaces = tuple(sorted(set(namespaces)))
        self._resources = tuple(resources)
        self._cache = ResourceCache()
        self._writer = ResourceWriter(client, self._cache, self._changed)
        self._workloads = Workloads(client, self._cache, build)
        self._events = EventRecorder(client)
        self._complete = False
        self._is_version_known = False
        self._found: set[Key] = set()
        """What lists found changed, and nobody was told yet: it is in the cache, and the next list finds no change."""

    async def close(self) -> None:
        """Let go of the connections."""
        await self.client.close()

    async def see(self, event: str | None, manifest: Manifest) -> Key | None:
        """Take in what a watch says; return the key to reconcile because of it.

        Raises:
            KubernetesUnavailableError: resource versions cannot be compared, and the object could not be listed again.
        """
        if self._cache.order.compares:
            return self.forget(manifest) if event == "DELETED" else await self.observe(manifest)
        return await self._relist(place_of(manifest)) if event == "DELETED" or self._cache.is_news(manifest) else None

    async def observe(self, manifest: Manifest, asked: int = 0) -> Key | None:
        """Take in an object of the three kinds or of an agent; return the key to reconcile because of it.

        Args:
            manifest: the object.
            asked: when it was asked for, by the cache's order; 0: nobody did.
        """
        key = self._cache.observe(manifest, asked)
        if key is not None and type_of(manifest) in KINDS:
            await self._report_unreadable(key)
        if key is not None and key.kind == "Policy":
            await self._read_data(key)
        return key

    def forget(self, manifest: Manifest) -> Key | None:
        """Say that an object is gone; return the key to reconcile because of it."""
        return self._cache.forget(manifest)

    async def resync(self) -> frozenset[Key]:
        """List everything, and return the keys that changed or vanished without an event of a watch.

        Raises:
            KubernetesUnavailableError: not everything could be seen; what was seen is known now (``take_found``).
        """
        if not self._is_version_known:
            await self._learn_version()
        failed: KubernetesUnavailableError | None = None
        for resource in self._resources:
            for namespace in self._namespaces or (None,):
                try:
                    await self._resync(resource, namespace)
                except ForbiddenError as error:  # of this resource alone: the others are listed all the same
                    failed = failed or error
                except AbsentError:
                    message = f"does not serve {resource.described}: are the CRDs installed? See config/crds"
                    failed = failed or KubernetesUnavailableError(f"the API server {message}")
        if failed is not None:
            raise failed
        self._complete = True
        return self.take_found()

    def take_found(self) -> frozenset[Key]:
        """Return, once, what lists found changed: also what one found that did not come to its end."""
        found = frozenset(self._found)
        self._found.clear()
        return found

    async def _resync(self, resource: ResourceType, namespace: str | None) -> None:
        for _ in range(_LIST_ATTEMPTS):
            try:
                return await self._list(resource, namespace)
            except ExpiredError:
                continue
        raise KubernetesUnavailableError(f"{resource.described} change faster than they can be listed")

    async def _list(self, resource: ResourceType, namespace: str | None) -> None:
        listed: set[str] = set()
        version, asked = "0", self._cache.order.asked()
        async for page, of_list in self.client.pages(resource, namespace, selector_of(resource)):
            version = of_list
            for manifest in page:
                listed.add(manifest["metadata"]["uid"])
                if (key := await self.observe(manifest, asked)) is not None:
                    self._found.add(key)
        self._found |= self._cache.forget_missing(resource, namespace, listed, version, asked=asked)

    async def _relist(self, place: ObjectPlace) -> Key | None:
        """List the one object of a place, until nothing was taken in from elsewhere meanwhile."""
        resource, namespace, name = place
        key: Key | None = None
        while True:
            asked, found = self._cache.order.asked(), await self._named(place)
            for manifest in found:
                key = await self.observe(manifest, asked) or key
            listed = [manifest["metadata"]["uid"] for manifest in found]
            gone = self._cache.forget_missing(resource, namespace, listed, "", asked=asked, name=name)
            key = next(iter(gone), key)
            if self._cache.is_as(place, next(iter(found), None)):
                return key

    async def _named(self, place: ObjectPlace) -> Sequence[Manifest]:
        """List by one name: a list selects by label as the watch does, and needs no other right than it."""
        resource, namespace, name = place
        try:
            pages = self.client.pages(resource, namespace, selector_of(resource), name)
            return [manifest async for page, _ in pages for manifest in page]
        except AbsentError:
            return ()  # not even the resource is there

    async def _learn_version(self) -> None:
        """Ask the server for its version, and say so where its resource versions cannot be compared."""
        try:
            said = await self.client.server_version()
        except ForbiddenError:
            said = {}
        version = version_of(str(said.get("major")), str(said.get("minor")))
        self._cache.order, self._is_version_known = order_for(version), True
        if not self._cache.order.compares:
            _log.warning(
                "resource versions of this Kubernetes cannot be compared: each change is listed again",
                version=str(said.get("gitVersion", "unknown")),
                supported=version is not None and version >= OLDEST,
            )

    @override
    def get(self, kind: type[K], namespace: str, name: str) -> K | None:
        return self._cache.get(kind, namespace, name)

    @override
    def list(self, kind: type[K], namespace: str | None = None) -> Sequence[K]:
        return self._cache.list(kind, namespace)

    def known(self) -> frozenset[Key]:
        """Return the keys of all resources that are known, whether they can be read or not."""
        listed = {key_of(resource) for kind in KINDS.values() for resource in self._cache.list(kind)}
        return frozenset(listed | self._cache.unreadable().keys())

    @override
    def config_map(self, namespace: str, name: str) -> Mapping[str, str | int] | None:
        return self._cache.config_map(namespace, name)

    @override
    def names(self, kind: type[Kind], namespace: str) -> frozenset[str]:
        return self._cache.names(kind, namespace)

    @override
    def unreadable(self) -> Mapping[Key, Unreadable]:
        return self._cache.unreadable()

    @override
    async def write_status(self, resource: Kind, status: Status) -> None:
        try:
            await self._writer.write_status(resource, status)
        except ForbiddenError as error:  # a status cannot say that it may not be written
            await self.record_event(key_of(resource), reason=error.reason, message=str(error), warning=True)
            raise

    @override
    async def read_secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        return await self.secrets.read(namespace, name)

    @override
    async def apply_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        await self.secrets.apply(namespace, name, data)

    @override
    async def delete_secret(self, namespace: str, name: str) -> None:
        try:
            await self.secrets.delete(namespace, name)
        except ForbiddenError:
            if not await self._is_ending(namespace):
                raise

    @override
    async def apply_workload(self, workload: Workload) -> WorkloadState:
        return await self._workloads.apply(workload)

    @override
    async def applied_formats(self, namespace: str, agent: str) -> str:
        return await self._workloads.formats(namespace, agent, complete=self._complete)

    @override
    async def scale_workload(self, namespace: str, agent: str, replicas: int) -> None:
        await self._workloads.scale(namespace, agent, replicas)

    @override
    async def delete_workload(self, namespace: str, agent: str) -> bool:
        try:
            return await self._workloads.delete(namespace, agent)
        except ForbiddenError:
            if not await self._is_ending(namespace):
                raise
            return not self._workloads.pods(namespace, agent)

    @override
    def pods(self, namespace: str, agent: str) -> frozenset[str] | None:
        return self._workloads.pods(namespace, agent) if self._complete else None

    @override
    async def set_finalizer(self, resource: Kind | Unreadable, finalizer: str, *, present: bool) -> None:
        await self._writer.set_finalizer(resource, finalizer, present=present)

    @override
    async def record_event(self, key: Key, *, reason: str, message: str, warning: bool) -> None:
        if key.kind == "ConfigMap":
            return  # whoever reads it says what is wrong with it
        if key.kind in {"PolicyLog", "Namespace", "SigningKey"}:
            await self._events.record_of_namespace(key.namespace, reason=reason, message=message, warning=warning)
        elif uid := self._cache.uid_of(key):
            await self._events.record(key, uid, reason=reason, message=message, warning=warning)

    async def uid(self) -> str:
        """Return what tells this cluster from any other: the UID of ``kube-system``; empty where it may not be read.

        Raises:
            KubernetesUnavailableError: the API server does not answer.
        """
        try:
            found = await self.client.get(NAMESPACE, None, "kube-system")
        except ForbiddenError as error:
            _log.warning("a copy of this cluster cannot be told from it", error=str(error))
            return ""
        return str(found["metadata"]["uid"]) if found is not None else ""

    @override
    async def namespace_annotations(self, namespace: str) -> Mapping[str, str]:
        try:
            found = await self.client.get(NAMESPACE, None, namespace)
        except ForbiddenError as error:
            _log.warning("what people say to a namespace is not heard", namespace=namespace, error=str(error))
            return {}
        return {} if found is None else dict(found["metadata"].get("annotations") or {})

    async def _is_ending(self, namespace: str) -> bool:
        """Tell whether a namespace is being deleted: it takes everything along, first of all our right to do so."""
        found = await self.client.get(NAMESPACE, None, namespace)
        return found is None or "deletionTimestamp" in found["metadata"]

    def _changed(self, key: Key) -> None:
        self.on_changed(key)

    async def _read_data(self, policy: Key) -> None:
        """Read the ConfigMap that a policy names by now: what no policy names was not kept."""
        name = self._cache.unread_data(policy.namespace, policy.name)
        if name is None:
            return
        asked = self._cache.order.asked()
        try:
            found = await self.client.get(CONFIG_MAP, policy.namespace, name)
        except OperatorError as error:
            _log.warning("data beside rules not read: the next list will", policy=str(policy), error=str(error))
            return
        if found is not None:
            self._cache.observe(found, asked)

    async def _report_unreadable(self, key: Key) -> None:
        """Record an Event of a resource that cannot be read: its status cannot say so."""
        found = self._cache.unreadable().get(key)
        if found is not None and found.metadata.deletion_timestamp is None:
            message = f"not understood by this version of the operator, which leaves it as it is: {found.problem}"
            await self.record_event(key, reason=NOT_READABLE, message=message, warning=True)
