"""What resources claim that this version of the operator cannot read: taken for absent, it would be given to others.

Of their manifests only that is read which stays the same in one API version: names, references, what a status records.
Pure.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from streamwarden_contract.models.base import Metadata
from streamwarden_contract.names import InstallationNames

from streamwarden_operator.desired.acls import recorded_acls
from streamwarden_operator.ports import Acl, Manifest


@dataclass(frozen=True, slots=True)
class TopicClaim:
    """A TopicContract that cannot be read, and its topic."""

    metadata: Metadata
    topic: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What counts for one contract of those that cannot be read."""

    commanding: Collection[str] = ()
    """Agents whose commands go to its topic, or may do so."""
    topics: Collection[TopicClaim] = ()
    """Of other contracts, in any namespace."""
    access: frozenset[Acl] = frozenset()
    """What other contracts have given to principals outside."""


NO_CLAIMS = Claims()
_DEFAULT = InstallationNames()


def commanded_contracts(manifest: Manifest) -> frozenset[str] | None:
    """Return the names of the contracts that an AgentDeployment sends commands to; None where nobody can tell."""
    decisions = _part(manifest, "spec").get("decisions")
    if not isinstance(decisions, list):
        return None
    names = [_part(decision, "commandTopicRef").get("name") for decision in decisions]
    known = [name for name in names if isinstance(name, str)]
    return frozenset(known) if len(known) == len(names) else None


def claimed_topic(manifest: Manifest) -> str | None:
    """Return the topic of a TopicContract; None where nobody can tell."""
    found = _part(manifest, "spec").get("topicName")
    return found if isinstance(found, str) else None


def given_access(manifest: Manifest, installation: InstallationNames = _DEFAULT) -> frozenset[Acl]:
    """Return the ACLs that a TopicContract's status says were made for it, and that can have been."""
    topic, recorded = claimed_topic(manifest), _part(manifest, "status").get("access")
    if topic is None or not isinstance(recorded, list):
        return frozenset()
    return recorded_acls(installation, topic, recorded)


def _part(value: object, name: str) -> Mapping[str, object]:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}
