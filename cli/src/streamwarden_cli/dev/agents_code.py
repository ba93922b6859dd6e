"""Whose program has changed: agents, and the files that each of them is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_cli.local.agent_code import code_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from streamwarden_contract.models import AgentDeployment


class AgentsCode:
    """Knows the files of each agent as of its last start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, frozenset[Path]] = {}

    def note(self, agents: Iterable[AgentDeployment]) -> None:
        """Note what agents are made of now."""
        self._files = {agent.metadata.uid: code_of(self._folder, agent.spec.agent.entrypoint) for agent in agents}

    def changed(self, agents: Iterable[AgentDeployment], files: frozenset[Path]) -> list[AgentDeployment]:
        """Return the agents that are, or were at their start, made of one of these files."""
        before = self._files
        agents = list(agents)
        self.note(agents)
        return [
            agent for agent in agents if files & (before.get(uid := agent.metadata.uid, frozenset()) | self._files[uid])
        ]
