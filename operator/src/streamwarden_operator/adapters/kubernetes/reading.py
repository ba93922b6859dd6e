"""Objects of the API server as values. Pure."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError
from streamwarden_contract.models.base import Kind
from streamwarden_contract.models.pod_rules import CONFIG_MAP_SUFFIXES
from streamwarden_contract.names import SYSTEM
from streamwarden_judging.typed.data_types import MAX_DATA_BYTES

from streamwarden_operator.adapters.kubernetes.pods import DeploymentFacts, PodFacts, deployment_facts, pod_facts
from streamwarden_operator.adapters.kubernetes.resource_types import (
    CONFIG_MAP,
    DEPLOYMENT,
    FIELD_MANAGER,
    POD,
    ResourceType,
)
from streamwarden_operator.desired.names import (
    INSTANCE_LABEL,
    MANAGED_BY_LABEL,
    MANAGER,
    MANIFEST_HASH_ANNOTATION,
    PART_OF_LABEL,
)
from streamwarden_operator.plans.manifests import canonical, content_of, digest
from streamwarden_operator.ports import Manifest

K = TypeVar("K", bound=Kind)

_MAX_PROBLEM = 500


@dataclass(frozen=True, slots=True)
class Owned:
    """One object of an agent, reduced to what counts."""

    resource: ResourceType
    namespace: str
    name: str
    agent: str
    """Empty where it does not say."""
    uid: str
    owners: frozenset[str] = frozenset()
    """Uids of its owners."""
    labelled: bool = True
    """Whether it says that it is ours."""
    ending: bool = False
    content: bytes = b""
    """JSON of what somebody may have changed; empty for pods."""
    content_hash: str = ""
    manifest_hash: str = ""
    """What it says of the manifest that was last applied."""
    facts: PodFacts | DeploymentFacts | None = None

    def differs(self, other: "Owned") -> bool:
        """Tell whether the agent is to be reconciled because of it."""
        here = (self.uid, self.ending, self.content_hash, self.facts)
        return here != (other.uid, other.ending, other.content_hash, other.facts)


def read_owned(resource: ResourceType, manifest: Manifest) -> Owned:
    """Read an object of an agent."""
    metadata = manifest["metadata"]
    labels = metadata.get("labels") or {}
    facts: PodFacts | DeploymentFacts | None = None
    written = b""
    if resource == POD:
        facts = pod_facts(manifest)
    else:
        written = canonical(content_of(manifest))
        facts = deployment_facts(manifest, FIELD_MANAGER) if resource == DEPLOYMENT else None
    return Owned(
        resource=resource,
        namespace=metadata["namespace"],
        name=metadata["name"],
        agent=labels.get(INSTANCE_LABEL, ""),
        uid=metadata["uid"],
        owners=frozenset(owner["uid"] for owner in metadata.get("ownerReferences") or ()),
        labelled=labels.get(MANAGED_BY_LABEL) == MANAGER,
        ending="deletionTimestamp" in metadata,
        content=written,
        content_hash=digest(written) if written else "",
        manifest_hash=(metadata.get("annotations") or {}).get(MANIFEST_HASH_ANNOTATION, ""),
        facts=facts,
    )


def holds_data(manifest: Manifest) -> bool:
    """Tell whether an object is a ConfigMap with data beside rules, and nothing that an agent has."""
    metadata = manifest["metadata"]
    labels = metadata.get("labels") or {}
    return (
        manifest["kind"] == CONFIG_MAP.kind
        and labels.get(PART_OF_LABEL) == SYSTEM
        and labels.get(MANAGED_BY_LABEL) != MANAGER
        and not metadata["name"].endswith(CONFIG_MAP_SUFFIXES)
    )


def read_data(manifest: Manifest) -> dict[str, str | int]:
    """Read what a ConfigMap holds, without what is too large for a policy: anybody may make many that are large."""
    found: dict[str, str | int] = {}
    for key, text in (manifest.get("data") or {}).items():
        size = len(text.encode(errors="replace"))
        found[key] = text if size <= MAX_DATA_BYTES else size
    return found


def read_resource(kind: type[K], manifest: Manifest) -> K:
    """Read one of the three kinds. A status that another version wrote is left out: it is ours to write anew.

    Raises:
        ValidationError: the spec is not as the model says.
    """
    asked = {key: manifest[key] for key in ("metadata", "spec") if key in manifest}
    with suppress(ValidationError):
        return kind.model_validate({**asked, "status": manifest.get("status") or {}})
    return kind.model_validate(asked)


def needs_reconcile(before: Kind, now: Kind) -> bool:
    """Tell whether anything but status and bookkeeping has changed."""
    return _asked(before) != _asked(now)


def same_request(one: Kind, other: Kind) -> bool:
    """Tell whether two states of a resource ask for the same: only what the operator writes may differ."""
    return _asked(one, finalizers=False) == _asked(other, finalizers=False)


def describe(error: ValidationError) -> str:
    """Say what is wrong with an object, field by field."""
    found = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
    return found if len(found) <= _MAX_PROBLEM else f"{found[:_MAX_PROBLEM]} …"


def _asked(resource: Kind, *, finalizers: bool = True) -> tuple[object, ...]:
    metadata = resource.metadata
    return (
        metadata.uid,
        metadata.generation,
        metadata.deletion_timestamp,
        metadata.labels,
        metadata.annotations,
        metadata.finalizers if finalizers else (),
        resource.spec,
    )
