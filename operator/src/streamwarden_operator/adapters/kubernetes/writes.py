"""What the operator writes on the three kinds: their status and its finalizers, nothing else."""

from collections.abc import Callable
from typing import Any

from streamwarden_contract.models.base import Kind, Status

from streamwarden_operator.adapters.kubernetes.cache import ResourceCache
from streamwarden_operator.adapters.kubernetes.client import MERGE, KubernetesClient
from streamwarden_operator.adapters.kubernetes.errors import AbsentError, Request
from streamwarden_operator.adapters.kubernetes.reading import same_request
from streamwarden_operator.adapters.kubernetes.resource_types import FIELD_MANAGER, type_of_key
from streamwarden_operator.errors import ConflictError
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.ports import Unreadable

_KEPT_THOUGH_EMPTY = frozenset({"message"})
"""Kubernetes' own conditions always have one."""


class ResourceWriter:
    """Writes on what is in the cache, and takes the answers into it."""

    def __init__(self, client: KubernetesClient, cache: ResourceCache, changed: Callable[[Key], None]) -> None:
        """Make a writer.

        Args:
            client: the API server.
            cache: what was last seen.
            changed: called with the key of a resource that was found to be another one, or gone.
        """
        self._client = client
        self._cache = cache
        self._changed = changed

    async def write_status(self, resource: Kind, status: Status) -> bool:
        """Write the status where it differs, and tell whether it did.

        Raises:
            ConflictError: somebody edited the resource since it was read.
        """
        key, stored = key_of(resource), self._stored(resource)
        if stored is None or stored.status == status:
            return False
        # What the operator itself wrote since does not count: the status speaks of the same request.
        seen = (stored if same_request(stored, resource) else resource).metadata
        kind = type_of_key(key)
        body = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {
                "name": seen.name,
                "namespace": seen.namespace,
                "uid": seen.uid,
                "resourceVersion": seen.resource_version,
            },
            "status": dump_status(status),
        }
        asked = self._cache.order.asked()
        try:
            answer = await self._client.apply(kind, body, subresource="status")
        except ConflictError:
            await self._refresh(key)
            raise
        except AbsentError:
            self._vanished(key)
            return False
        self._cache.observe(answer, asked)
        return True

    async def set_finalizer(self, resource: Kind | Unreadable, finalizer: str, *, present: bool) -> None:
        """Add or take away a finalizer of ours; those of others stay as they are.

        Raises:
            ConflictError: somebody wrote the resource since it was read.
        """
        key = resource.key if isinstance(resource, Unreadable) else key_of(resource)
        stored = self._cache.unreadable().get(key) if isinstance(resource, Unreadable) else self._stored(resource)
        if stored is None or stored.metadata.uid != resource.metadata.uid:
            return
        seen = stored.metadata
        if (finalizer in seen.finalizers) == present:
            return
        others = [name for name in seen.finalizers if name != finalizer]
        finalizers = [*others, finalizer] if present else others
        # A merge replaces the list as a whole, so it must be the list of the version that we saw.
        metadata = {"uid": seen.uid, "resourceVersion": seen.resource_version, "finalizers": finalizers}
        request, asked = Request("patch", type_of_key(key), seen.namespace, seen.name), self._cache.order.asked()
        try:
            answer = await self._client.patch(
                request, {"metadata": metadata}, content_type=MERGE, manager=FIELD_MANAGER
            )
        except ConflictError:
            await self._refresh(key)
            raise
        except AbsentError:
            self._vanished(key)
            return
        self._cache.observe(answer, asked)
        if seen.deletion_timestamp and not finalizers:
            self._vanished(key)

    def _stored(self, resource: Kind) -> Kind | None:
        """Return the resource as last seen; None where that very one is gone."""
        metadata = resource.metadata
        stored = self._cache.get(type(resource), metadata.namespace, metadata.name)
        return stored if stored is not None and stored.metadata.uid == metadata.uid else None

    async def _refresh(self, key: Key) -> None:
        """Observe one resource again: the watch may take a moment."""
        asked = self._cache.order.asked()
        found = await self._client.get(type_of_key(key), key.namespace, key.name)
        if found is None:
            self._vanished(key)
        elif self._cache.observe(found, asked) is not None:
            self._changed(key)

    def _vanished(self, key: Key) -> None:
        """Whoever refers to it is reconciled again."""
        if self._cache.forget_resource(key) is not None:
            self._changed(key)


def dump_status(status: Status) -> dict[str, Any]:
    """Write a status as server-side apply wants it: what is not said is taken out of the stored one."""
    found: dict[str, Any] = _without_empty(status.model_dump(mode="json", by_alias=True))
    return found


def _without_empty(value: Any) -> Any:  # noqa: ANN401  # any JSON
    if isinstance(value, dict):
        kept = {key: _without_empty(part) for key, part in value.items()}
        return {key: part for key, part in kept.items() if part not in (None, "", [], {}) or key in _KEPT_THOUGH_EMPTY}
    return [_without_empty(part) for part in value] if isinstance(value, list) else value
