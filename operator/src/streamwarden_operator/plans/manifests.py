"""Whether an object in the cluster is as its manifest says. Pure.

The API server fills in defaults and writes some values its own way (``0.5`` CPU becomes ``500m``): so an object that
does not contain its manifest may well be right. Then it is applied once more, which changes nothing, and remembered.
"""

import hashlib
import json

from streamwarden_operator.desired.names import MANIFEST_HASH_ANNOTATION
from streamwarden_operator.ports import Manifest

_SERVERS_OWN = frozenset(
    {"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields"}
    | {"resourceVersion", "selfLink", "uid"}
)
"""Of the metadata."""
_CONTROLLERS_OWN = frozenset({"deployment.kubernetes.io/revision"})
"""Annotations that change by themselves."""


def stamp(manifest: Manifest) -> tuple[Manifest, str]:
    """Return the manifest with its own hash as an annotation, and the hash.

    The hash tells a later process that nothing was taken out of the manifest since it was applied.
    """
    found = digest(canonical(manifest))
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), MANIFEST_HASH_ANNOTATION: found}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}, found


def content_of(live: Manifest) -> Manifest:
    """Return what somebody may have changed in an object: no status, no bookkeeping, and not ``spec.replicas``."""
    metadata = {key: value for key, value in live.get("metadata", {}).items() if key not in _SERVERS_OWN}
    if "annotations" in metadata:
        own = {key: value for key, value in metadata["annotations"].items() if key not in _CONTROLLERS_OWN}
        metadata["annotations"] = own
    content = {key: value for key, value in live.items() if key not in {"metadata", "status"}}
    if "replicas" in content.get("spec", {}):
        content["spec"] = {key: value for key, value in content["spec"].items() if key != "replicas"}
    return {**content, "metadata": metadata}


def canonical(manifest: Manifest) -> bytes:
    """Write a manifest so that the same content is the same bytes."""
    return json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()


def digest(written: bytes) -> str:
    """Return a hash of what ``canonical`` has written."""
    return hashlib.sha256(written).hexdigest()


def contains(live: object, desired: object) -> bool:
    """Tell whether everything that is desired is there. A list must have the same items in the same order."""
    if desired in ("", None, [], {}):
        return live in ("", None, [], {}) or (desired == {} and isinstance(live, dict))
    if isinstance(desired, dict):
        return isinstance(live, dict) and all(contains(live.get(key), value) for key, value in desired.items())
    if isinstance(desired, list | tuple):
        return (
            isinstance(live, list)
            and len(live) == len(desired)
            and all(contains(*pair) for pair in zip(live, desired, strict=True))
        )
    return live == desired and isinstance(live, bool) == isinstance(desired, bool)
