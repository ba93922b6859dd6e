"""What the work queue holds: which object needs a look."""

from dataclasses import dataclass
from typing import Literal

from typing_extensions import override

KeyKind = Literal["TopicContract", "Policy", "AgentDeployment", "PolicyLog", "Namespace"]


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One thing to reconcile.

    ``PolicyLog`` and ``Namespace`` stand for a namespace as a whole (their name is empty): its policy topic, and the
    topics that its agents share.
    """

    kind: KeyKind
    namespace: str
    name: str = ""

    @override
    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.name else f"{self.kind} {self.namespace}"
