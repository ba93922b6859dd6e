"""What lies around an agent that tries to go round its gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_cli.bypass.attempts import Target
from streamwarden_cli.local.state import StateError
from streamwarden_cli.session.roles import find_roles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_contract.models import AgentDeployment, TopicContract


def find_target(
    namespace: str,
    name: str,
    agents: Sequence[AgentDeployment],
    contracts: Sequence[TopicContract],
    installation: str,
) -> Target:
    """Return the target of the attempts of one agent, of an installation of this name.

    Raises:
        StateError: there is no such agent.
    """
    label = f"{namespace}/{name}"
    topics = {agent.label: agent for agent in find_roles(agents, contracts).agents}
    if label not in topics:
        raise StateError(f"there is no agent {label}; agents here: {', '.join(sorted(topics)) or 'none'}")
    others = tuple(other.names for other in topics.values() if other.label != label)
    return Target(topics[label].names, tuple(sorted(topics[label].commands)), others, installation=installation)
