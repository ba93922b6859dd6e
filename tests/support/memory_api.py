"""What ``KubernetesClient`` asks of an API server for single objects, in memory: apply by version, get; all counted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from streamwarden_operator.errors import ConflictError

if TYPE_CHECKING:
    from streamwarden_operator.adapters.kubernetes.resource_types import ResourceType
    from streamwarden_operator.ports import Manifest


class MemoryApi:
    """Merges what is applied into what is there, one level of ``metadata`` deep."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Manifest] = {}
        """By kind and name."""
        self.requests: Counter[tuple[str, str]] = Counter()
        """By verb and kind."""
        self.refuses_versions_of_what_is_not_there = False
        self._version = 1

    def put(self, manifest: Manifest) -> None:
        """Let somebody else make an object."""
        self._version += 1
        metadata = {
            **manifest["metadata"],
            "uid": f"uid-{self._version}",
            "resourceVersion": str(self._version),
            "creationTimestamp": "2026-11-27T00:00:00Z",
        }
        self.objects[manifest["kind"], manifest["metadata"]["name"]] = {**manifest, "metadata": metadata}

    async def get(self, resource: ResourceType, _namespace: str | None, name: str) -> Manifest | None:
        self.requests["get", resource.kind] += 1
        return self.objects.get((resource.kind, name))

    async def apply(self, resource: ResourceType, manifest: Manifest, **_: Any) -> Manifest:
        self.requests["apply", resource.kind] += 1
        place = (resource.kind, manifest["metadata"]["name"])
        wanted, found = manifest["metadata"].get("resourceVersion"), self.objects.get(place)
        if found is None and wanted is not None and self.refuses_versions_of_what_is_not_there:
            raise ConflictError(f"{place} is not there")
        if found is not None and wanted not in {None, found["metadata"]["resourceVersion"]}:
            raise ConflictError(f"{place} is another one by now")
        metadata = {**(found or {}).get("metadata", {}), **manifest["metadata"]}
        self.put({**(found or {}), **manifest, "metadata": metadata})
        return self.objects[place]
