"""Secrets, by name: never listed, never watched, never quoted. Values are kept no longer than a call takes."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from streamwarden_contract.names import SYSTEM
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.adapters.kubernetes.client import MERGE, KubernetesClient, only_new
from streamwarden_operator.adapters.kubernetes.errors import AbsentError, Request
from streamwarden_operator.adapters.kubernetes.resource_types import FIELD_MANAGER, SECRET
from streamwarden_operator.desired.names import MANAGED_BY_LABEL, MANAGER, PART_OF_LABEL
from streamwarden_operator.errors import ConflictError, InvalidSpecError
from streamwarden_operator.ports import Manifest

_LABELS = {MANAGED_BY_LABEL: MANAGER, PART_OF_LABEL: SYSTEM}


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """A Secret with what people say to it."""

    data: Mapping[str, str] = field(repr=False)
    annotations: Mapping[str, str]
    version: str
    """``metadata.resourceVersion``."""
    created: str
    """``metadata.creationTimestamp``."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is remembered of a Secret: enough to tell whether it must be written, nothing of what it holds."""

    uid: str
    fingerprint: bytes
    labelled: bool


class SecretStore:
    """Reads and writes Secrets, each at most when it differs."""

    def __init__(self, client: KubernetesClient) -> None:
        """Make a store over an API server."""
        self._client = client
        self._seen: dict[tuple[str, str], _Seen | None] = {}
        """None: there was none."""
        self._salt = secrets.token_bytes(32)

    async def read(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return what an own Secret holds; None where there is none.

        Raises:
            InvalidSpecError: ``ResourceConflict``: there is one of that name that is not ours.
        """
        data = await self.read_any(namespace, name)
        self._check_ours(namespace, name)
        return data

    async def read_any(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return what a Secret holds, whoever made it."""
        found = await self._client.get(SECRET, namespace, name)
        if found is None:
            self._seen[namespace, name] = None
            return None
        data = _decoded(found)
        self._note(namespace, name, found, data)
        return data

    async def apply(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Make an own Secret hold exactly this.

        Raises:
            InvalidSpecError: ``ResourceConflict``: there is one of that name that is not ours.
        """
        if (namespace, name) not in self._seen:
            await self.read_any(namespace, name)
        self._check_ours(namespace, name)
        seen = self._seen[namespace, name]
        if seen is not None and hmac.compare_digest(seen.fingerprint, self._fingerprint(data)):
            return
        manifest = _manifest(namespace, name, data)
        try:
            answer = await self._client.apply(SECRET, manifest if seen is not None else only_new(manifest))
        except ConflictError:
            if await self.read_any(namespace, name) is not None:
                self._check_ours(namespace, name)
                raise  # made since we looked: what it holds counts, and the next pass goes by it
            answer = await self._client.apply(SECRET, manifest)
        self._note(namespace, name, answer, data)

    async def create(self, namespace: str, name: str, data: Mapping[str, str]) -> bool:
        """Make a Secret that nobody writes again; False where there is one of that name already."""
        try:
            await self._client.create(SECRET, _manifest(namespace, name, data))
        except ConflictError:
            return False
        return True

    async def read_kept(self, namespace: str, name: str) -> KeptSecret | None:
        """Return a Secret that is not an agent's; None where there is none."""
        found = await self._client.get(SECRET, namespace, name)
        return None if found is None else _kept(found)

    async def write_kept(
        self,
        namespace: str,
        name: str,
        data: Mapping[str, str | None],
        annotations: Mapping[str, str | None],
        version: str,
    ) -> KeptSecret:
        """Change a Secret that is as it was read; None takes away, whoever wrote it, and what is not named stays.

        Not applied: of what was restored from a backup somebody else is the manager, and it would stay for ever.

        Raises:
            ConflictError: somebody wrote or deleted it meanwhile.
        """
        metadata = {"labels": _LABELS, "annotations": dict(annotations), "resourceVersion": version}
        encoded = {key: None if value is None else _encoded(value) for key, value in data.items()}
        request = Request("patch", SECRET, namespace, name)
        changed = {"metadata": metadata, "data": encoded}
        try:
            return _kept(await self._client.patch(request, changed, content_type=MERGE, manager=FIELD_MANAGER))
        except AbsentError as error:
            raise ConflictError(f"could not {request}: it was deleted meanwhile") from error

    async def delete(self, namespace: str, name: str) -> None:
        """Delete an own Secret; an absent one, and one that is not ours, is left alone."""
        if (namespace, name) not in self._seen:
            await self.read_any(namespace, name)
        seen = self._seen.pop((namespace, name), None)
        if seen is not None and seen.labelled:
            await self._client.delete(Request("delete", SECRET, namespace, name), uid=seen.uid)

    def _check_ours(self, namespace: str, name: str) -> None:
        seen = self._seen[namespace, name]
        if seen is not None and not seen.labelled:
            raise InvalidSpecError(
                f"the Secret {name!r} in namespace {namespace!r} is not Streamwarden's and is left alone: delete it, "
                "or give the agent another name",
                reason=ConditionReason.RESOURCE_CONFLICT,
            )

    def _note(self, namespace: str, name: str, found: Manifest, data: Mapping[str, str]) -> None:
        metadata = found["metadata"]
        labelled = (metadata.get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGER
        self._seen[namespace, name] = _Seen(metadata["uid"], self._fingerprint(data), labelled)

    def _fingerprint(self, data: Mapping[str, str]) -> bytes:
        return hmac.digest(self._salt, json.dumps(data, sort_keys=True).encode(), hashlib.sha256)


def _kept(found: Manifest) -> KeptSecret:
    metadata = found["metadata"]
    return KeptSecret(
        _decoded(found),
        dict(metadata.get("annotations") or {}),
        metadata["resourceVersion"],
        metadata["creationTimestamp"],
    )


def _manifest(namespace: str, name: str, data: Mapping[str, str]) -> Manifest:
    encoded = {key: _encoded(value) for key, value in data.items()}
    metadata = {"name": name, "namespace": namespace, "labels": _LABELS}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded}


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _decoded(found: Manifest) -> dict[str, str]:
    """Read the values; those that are no text are none of ours, and read as empty."""
    values: dict[str, str] = {}
    for key, value in (found.get("data") or {}).items():
        try:
            values[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            values[key] = ""
    return values
