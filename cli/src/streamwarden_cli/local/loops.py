"""Agents that read what they bring about: commands that are inputs again, over one agent or several. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streamwarden_contract.models import AgentDeployment
    from streamwarden_contract.models.agent_deployment import DecisionTarget
    from streamwarden_operator.desired.yaml_nodes import FieldPath

Graph = dict[str, set[str]]
"""By agent of a namespace: those that take a command of it for an event."""


def loops(agents: Sequence[AgentDeployment]) -> Iterator[tuple[AgentDeployment, FieldPath, str]]:
    """Yield each decision whose commands come back to its agent as events, with its field and what to say.

    Outcomes do not count: they are there to tell the agent what came of a command.
    """
    for namespace in sorted({agent.metadata.namespace for agent in agents}):
        yield from _of_namespace([agent for agent in agents if agent.metadata.namespace == namespace])


def _of_namespace(agents: Sequence[AgentDeployment]) -> Iterator[tuple[AgentDeployment, FieldPath, str]]:
    found = [
        (agent, index, decision, _takers(decision, agents))
        for agent in agents
        for index, decision in enumerate(agent.spec.decisions)
    ]
    graph: Graph = {}
    for agent, _, _, takers in found:
        graph.setdefault(agent.metadata.name, set()).update(takers)
    for agent, index, decision, takers in found:
        way = _way(graph, takers, agent.metadata.name)
        if way:
            over = f" over {', '.join(way[:-1])}" if way[:-1] else ""
            message = (
                f"commands of {decision.type!r} come back to {agent.metadata.name} as events{over}: each may bring "
                "about the next, without end; narrow the input's types, or take what came of a command from outcomes"
            )
            yield agent, ("spec", "decisions", index, "commandTopicRef"), message


def _takers(decision: DecisionTarget, agents: Sequence[AgentDeployment]) -> set[str]:
    """Return the agents that take commands of a decision for events."""
    return {
        agent.metadata.name
        for agent in agents
        for entry in agent.spec.inputs
        if entry.topic_ref == decision.command_topic_ref and (not entry.types or decision.type in entry.types)
    }


def _way(graph: Mapping[str, set[str]], starts: set[str], end: str) -> list[str]:
    """Return the shortest way from one of the starts to the end, with both; empty where there is none."""
    ways, seen = [[start] for start in sorted(starts)], set(starts)
    for way in ways:  # grows while it is gone through
        if way[-1] == end:
            return way
        following = sorted(graph.get(way[-1], set()) - seen)
        seen.update(following)
        ways += [[*way, name] for name in following]
    return []
