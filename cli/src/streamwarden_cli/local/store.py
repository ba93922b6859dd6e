"""The three kinds as an API server would keep them: uid, generation, age, deletion with finalizers. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar, cast

from streamwarden_operator.keys import Key, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from streamwarden_contract.models.base import Kind, Metadata

K = TypeVar("K", bound="Kind")


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply changed."""

    changed: tuple[Key, ...] = ()
    """New, edited, or marked for deletion."""
    removed: tuple[Key, ...] = ()
    """Gone at once, having no finalizer."""


class ResourceStore:
    """Resources in memory, in the order in which they were made."""

    def __init__(self, *, started: datetime, new_uid: Callable[[], str]) -> None:
        self._resources: dict[Key, Kind] = {}
        self._waiting: dict[Key, Kind] = {}
        """Made again while the old one still waits for its finalizers."""
        self._started = started
        self._new_uid = new_uid
        self._versions = 0
        self._created = 0

    def __iter__(self) -> Iterator[Kind]:
        return iter(tuple(self._resources.values()))

    def get(self, key: Key) -> Kind | None:
        """Return a resource; None where there is none."""
        return self._resources.get(key)

    def of_kind(self, kind: type[K], namespace: str | None = None) -> Sequence[K]:
        """Return the resources of a kind, the oldest first."""
        return [
            resource
            for resource in self._resources.values()
            if isinstance(resource, kind) and namespace in (None, resource.metadata.namespace)
        ]

    def uids(self) -> Mapping[str, str]:
        """Return the uids by key."""
        return {str(key): resource.metadata.uid for key, resource in self._resources.items()}

    def apply(self, desired: Sequence[Kind]) -> Applied:
        """Make the store hold exactly these resources; what is missing among them is deleted."""
        changed: list[Key] = []
        removed: list[Key] = []
        wanted = {key_of(resource): resource for resource in desired}
        for key in [key for key in self._resources if key not in wanted]:
            self._waiting.pop(key, None)
            if self._delete(key):
                removed.append(key)
            elif key not in changed:
                changed.append(key)
        changed += [key for key, resource in wanted.items() if self._put(key, resource)]
        return Applied(tuple(changed), tuple(removed))

    def set_status(self, key: Key, uid: str, status: object) -> bool:
        """Replace a resource's status; False where nothing changes, or that very resource is gone."""
        current = self._resources.get(key)
        if current is None or current.metadata.uid != uid or current.status == status:
            return False
        self._write(key, current, status=status)
        return True

    def set_finalizer(self, key: Key, uid: str, finalizer: str, *, present: bool) -> Applied:
        """Add or take away a finalizer. Without the last one a resource that waits for its deletion goes."""
        current = self._resources.get(key)
        if current is None or current.metadata.uid != uid:
            return Applied()
        metadata = current.metadata
        others = tuple(name for name in metadata.finalizers if name != finalizer)
        finalizers = (*others, finalizer) if present else others
        if set(finalizers) == set(metadata.finalizers):
            return Applied()
        if metadata.deletion_timestamp and not finalizers:
            return self._remove(key)
        self._write(key, current, metadata=metadata.model_copy(update={"finalizers": finalizers}))
        return Applied(changed=(key,))

    def _put(self, key: Key, resource: Kind) -> bool:
        current = self._resources.get(key)
        if current is None:
            self._create(key, resource)
            return True
        metadata, wanted = current.metadata, resource.metadata
        if metadata.deletion_timestamp:
            self._waiting[key] = resource
            return False
        same_spec = current.spec == resource.spec
        update: dict[str, object] = {"labels": wanted.labels, "annotations": wanted.annotations}
        if same_spec and metadata.model_copy(update=update) == metadata:
            return False
        if not same_spec:
            update["generation"] = metadata.generation + 1
        spec = resource.spec
        self._write(key, current, metadata=metadata.model_copy(update=update), spec=spec)
        return True

    def _create(self, key: Key, resource: Kind) -> None:
        # A microsecond apart: of two resources that claim one topic the older wins, so no two may have one age.
        created = self._started + timedelta(microseconds=self._created)
        self._created += 1
        update = {"uid": self._new_uid(), "generation": 1, "creation_timestamp": created.isoformat()}
        blank = type(resource).model_fields["status"].get_default(call_default_factory=True)
        self._write(key, resource, metadata=resource.metadata.model_copy(update=update), status=blank)

    def _delete(self, key: Key) -> bool:
        """Tell whether it is gone; otherwise it waits for its finalizers."""
        current = self._resources[key]
        metadata = current.metadata
        if not metadata.finalizers:
            del self._resources[key]
            return True
        if not metadata.deletion_timestamp:
            update = {"deletion_timestamp": self._started.isoformat(), "generation": metadata.generation + 1}
            self._write(key, current, metadata=metadata.model_copy(update=update))
        return False

    def _remove(self, key: Key) -> Applied:
        del self._resources[key]
        if waiting := self._waiting.pop(key, None):
            self._create(key, waiting)
            return Applied(changed=(key,), removed=(key,))
        return Applied(removed=(key,))

    def _write(self, key: Key, resource: Kind, **update: object) -> None:
        self._versions += 1
        metadata = cast("Metadata", update.get("metadata", resource.metadata))
        update["metadata"] = metadata.model_copy(update={"resource_version": str(self._versions)})
        self._resources[key] = resource.model_copy(update=update)
