"""What the topics of a loop are for, from its resources alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from streamwarden_contract.names import AgentNames

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streamwarden_contract.models import AgentDeployment, TopicContract


@dataclass(frozen=True, slots=True)
class AgentTopics:
    """The Kafka topics of one agent."""

    names: AgentNames
    inputs: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()
    commands: frozenset[str] = frozenset()

    @property
    def reads(self) -> frozenset[str]:
        return self.inputs | self.outcomes

    @property
    def label(self) -> str:
        """``namespace/agent``."""
        return f"{self.names.namespace}/{self.names.agent}"


@dataclass(frozen=True, slots=True)
class TopicRoles:
    """What the topics of all agents are for. A topic has one role."""

    agents: tuple[AgentTopics, ...] = ()
    events: frozenset[str] = frozenset()
    """Read by agents, and neither commanded by one nor an outcome."""
    commands: frozenset[str] = frozenset()
    """Where allowed decisions go, unless they are outcomes."""
    outcomes: frozenset[str] = frozenset()
    """What tells an agent what came of its commands, whoever writes it."""
    audits: frozenset[str] = field(default=frozenset())
    decisions: Mapping[str, AgentTopics] = field(default_factory=dict)
    """By decision topic, whose it is."""

    @property
    def all(self) -> frozenset[str]:
        return self.events | self.commands | self.outcomes | self.audits | self.decisions.keys()

    def after(self, earlier: TopicRoles) -> TopicRoles:
        """Return these, and of topics that have none any more what they were last: what is there still counts.

        An agent that goes leaves verdicts and commands that are read later than it goes, and may come back.
        """
        known = self.all
        return replace(
            self,
            events=self.events | (earlier.events - known),
            commands=self.commands | (earlier.commands - known),
            outcomes=self.outcomes | (earlier.outcomes - known),
            audits=self.audits | (earlier.audits - known),
            decisions={
                **{topic: at for topic, at in earlier.decisions.items() if topic not in known},
                **self.decisions,
            },
        )


def find_roles(agents: Iterable[AgentDeployment], contracts: Iterable[TopicContract]) -> TopicRoles:
    """Resolve the references; one that leads nowhere is left out."""
    topics = {(c.metadata.namespace, c.metadata.name): c.spec.topic_name for c in contracts}
    found = tuple(_agent_topics(agent, topics) for agent in agents)
    outcomes = frozenset[str]().union(*(agent.outcomes for agent in found))
    commanded = frozenset[str]().union(*(agent.commands for agent in found))
    inputs = frozenset[str]().union(*(agent.inputs for agent in found))
    return TopicRoles(
        agents=found,
        events=inputs - commanded - outcomes,
        commands=commanded - outcomes,
        outcomes=outcomes,
        audits=frozenset(agent.names.shared.audit for agent in found),
        decisions={agent.names.decisions: agent for agent in found},
    )


def _agent_topics(agent: AgentDeployment, topics: Mapping[tuple[str, str], str]) -> AgentTopics:
    namespace = agent.metadata.namespace

    def resolve(names: Iterable[str]) -> frozenset[str]:
        return frozenset(topics[namespace, name] for name in names if (namespace, name) in topics)

    return AgentTopics(
        names=AgentNames(namespace, agent.metadata.name),
        inputs=resolve(source.topic_ref.name for source in agent.spec.inputs),
        outcomes=resolve(source.topic_ref.name for source in agent.spec.outcomes),
        commands=resolve(target.command_topic_ref.name for target in agent.spec.decisions),
    )
