"""The decision as an agent's author writes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Decision:
    """What the agent proposes to do. It takes effect only if the policies at the gate allow it."""

    type: str
    """One of the types that the AgentDeployment declares under ``decisions``."""
    entity: str | None = None
    """What it is about; the event's entity where left out."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    """Data of the command, as JSON values: str, int (64 bits), finite float, bool, None, list, dict."""
    confidence: float | None = None
    """0 to 1."""
    reasoning: str | None = None
    """Why, for people: at most 4,096 characters."""
    expected_version: int | None = None
    """The version of the entity that the agent decided upon, where entities have versions."""
