"""What the work queue holds: which object is to be reconciled."""

from dataclasses import dataclass
from typing import Literal, cast

from streamwarden_contract.models import Kind
from typing_extensions import override

KeyKind = Literal[
    "TopicContract",
    "Policy",
    "AgentDeployment",
    "ConfigMap",
    "PolicyLog",
    "Namespace",
    "SigningKey",
    "InventoryRequest",
]


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One thing to reconcile.

    A ``ConfigMap`` has data beside the rules of policies: nothing reconciles it, it wakes them. ``PolicyLog`` and
    ``Namespace`` stand for a namespace as a whole (their name is empty): its policy topic, and the topics that its
    agents share. ``SigningKey`` is that of the installation, in the operator's namespace; ``InventoryRequest`` is what
    people order there.
    """

    kind: KeyKind
    namespace: str
    name: str = ""

    @override
    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.name else f"{self.kind} {self.namespace}"


def key_of(resource: Kind) -> Key:
    """Return the key of a resource."""
    return Key(kind_of(type(resource)), resource.metadata.namespace, resource.metadata.name)


def kind_of(kind: type[Kind]) -> KeyKind:
    """Return the name of one of the three kinds, as keys have it."""
    return cast("KeyKind", kind.__name__)
