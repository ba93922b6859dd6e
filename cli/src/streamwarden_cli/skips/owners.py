"""Who has written each request of an agent, by what the API server keeps of server-side apply. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from streamwarden_contract.models.skip import SkipRequest
    from streamwarden_operator.ports import Manifest

MANAGER = "streamwarden-skip"
"""Owns in server-side apply what this command has asked for: what GitOps owns of the agent stays its own."""


class SkipKey(NamedTuple):
    """What tells requests of an agent apart."""

    topic_id: str
    partition: int
    from_offset: int


def key_of(request: SkipRequest) -> SkipKey:
    """Return the key of a request."""
    return SkipKey(request.topic_id, request.partition, request.from_offset)


def owned_keys(manifest: Manifest) -> Iterator[tuple[SkipKey, str]]:
    """Yield who owns which request: the manager, or nothing for this command itself."""
    for entry in manifest.get("metadata", {}).get("managedFields") or ():
        ours = (entry.get("manager"), entry.get("operation")) == (MANAGER, "Apply")
        for key in _keys_in(entry.get("fieldsV1") or {}):
            yield key, "" if ours else str(entry.get("manager"))


def _keys_in(fields: Mapping[str, Any]) -> Iterator[SkipKey]:
    """Yield the keys of the list ``spec.skips`` below ``fieldsV1``; each is written ``k:{"fromOffset":7,…}``."""
    for name in fields.get("f:spec", {}).get("f:skips", {}):
        kind, _, text = name.partition(":")
        if kind == "k":
            found = json.loads(text)
            yield SkipKey(found["topicId"], found["partition"], found["fromOffset"])
