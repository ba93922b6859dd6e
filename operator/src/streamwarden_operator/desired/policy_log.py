"""What a policy log should hold: the policies of a namespace, and for each agent what its gate must have to judge."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from streamwarden_contract.models import AgentDeployment, Policy
from streamwarden_contract.models.base import Metadata
from streamwarden_contract.models.policy import PolicySpec
from streamwarden_contract.policylog import BindingRecord, CommandTarget, DecisionTopic, SkipRange

from streamwarden_operator.desired.agents import ResolvedAgent
from streamwarden_operator.ports import Topic


@dataclass(frozen=True, slots=True)
class DesiredBinding:
    """A binding without what the log itself decides: its revision, and the revisions of the policies in it."""

    namespace: str
    agent: str
    agent_uid: str
    labels: Mapping[str, str]
    decisions: Mapping[str, CommandTarget]
    inputs: tuple[str, ...]
    decision_topic: DecisionTopic
    audit_topic: str
    audit_topic_id: str
    dead_letter_topic: str
    schemas: Mapping[str, str] = field(default_factory=dict)
    """Text by SHA-256: of each schema that ``decisions`` names."""
    skips: tuple[SkipRange, ...] = ()
    """What people have asked to pass over, and is not done yet."""

    def describes(self, record: BindingRecord, *, newer_fields: bool = True) -> bool:
        """Tell whether a published binding says the same, whatever the policies.

        Args:
            record: the published one.
            newer_fields: whether what format 1 of the policy log has no fields for must be the same too.
        """
        if not newer_fields:
            ours, theirs = _in_first_format(self.decisions), _in_first_format(record.decisions)
            mine = replace(self, decisions=ours, skips=())
            return mine.describes(record.model_copy(update={"decisions": theirs, "skips": ()}))
        return (
            self.agent_uid == record.agent_uid
            and dict(self.labels) == record.labels
            and dict(self.decisions) == record.decisions
            and self.inputs == record.inputs
            and self.decision_topic == record.decision_topic
            and (self.audit_topic, self.audit_topic_id) == (record.audit_topic, record.audit_topic_id)
            and self.dead_letter_topic == record.dead_letter_topic
            and self.skips == record.skips
        )


def _in_first_format(decisions: Mapping[str, CommandTarget]) -> dict[str, CommandTarget]:
    return {name: target.model_copy(update={"expires_after_ms": None}) for name, target in decisions.items()}


@dataclass(frozen=True, slots=True)
class DesiredLog:
    """Everything that one policy topic should hold. Empty for the guardrail topic: it holds its epoch alone."""

    valid: Mapping[str, PolicySpec] = field(default_factory=dict)
    """Accepted policies, by name."""
    invalid: Mapping[str, PolicySpec] = field(default_factory=dict)
    """Policies whose spec is refused, by name: the last good one stays."""
    bindings: Mapping[str, DesiredBinding] = field(default_factory=dict)
    """Agents that are ready for a binding."""
    unready: frozenset[str] = frozenset()
    """Agents that exist and are not ready: what they have stays."""
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By agent: the labels that it has now. What it was ready for, or is bound by, may have others."""
    older: frozenset[str] = frozenset()
    """Agents that are not ready for their gates, which read no newer format: nothing of one binds them anew."""

    def has_policy(self, name: str) -> bool:
        """Tell whether a policy of this name exists, accepted or not."""
        return name in self.valid or name in self.invalid


def build_log(
    policies: Collection[Policy],
    agents: Collection[AgentDeployment],
    bindings: Mapping[str, DesiredBinding],
    *,
    refused: Collection[str] = (),
    released: Collection[str] = (),
    unreadable: Collection[Metadata] = (),
) -> DesiredLog:
    """Build a namespace's log.

    Args:
        policies: all policies of the namespace.
        agents: all agents of the namespace.
        bindings: by agent, for those that are ready for one.
        refused: names of the policies that are not accepted.
        released: uids of agents that are being deleted and have no pods and no access any more: they get no binding.
        unreadable: of agents that exist and cannot be read: their last binding stays.
    """
    living = [policy for policy in policies if policy.metadata.deletion_timestamp is None]
    names = {agent.metadata.name for agent in agents if agent.metadata.uid not in released}
    ready = {name: binding for name, binding in bindings.items() if name in names}
    every = [*unreadable, *(agent.metadata for agent in agents)]
    labels = {each.name: each.labels for each in every if each.uid not in released}
    return DesiredLog(
        valid={policy.metadata.name: policy.spec for policy in living if policy.metadata.name not in refused},
        invalid={policy.metadata.name: policy.spec for policy in living if policy.metadata.name in refused},
        bindings=ready,
        unready=frozenset(labels.keys() - ready.keys()),
        labels=labels,
    )


def build_binding(
    agent: ResolvedAgent, *, decisions: Topic, audit: Topic, skips: tuple[SkipRange, ...] = ()
) -> DesiredBinding:
    """Build an agent's binding.

    Args:
        agent: the agent.
        decisions: its decision topic as observed.
        audit: the namespace's audit topic as observed.
        skips: the requested ranges that are to be passed over now.
    """
    metadata, shared = agent.resource.metadata, agent.names.shared
    return DesiredBinding(
        namespace=metadata.namespace,
        agent=metadata.name,
        agent_uid=metadata.uid,
        labels=dict(metadata.labels),
        decisions=agent.targets,
        inputs=agent.input_topics,
        decision_topic=DecisionTopic(name=decisions.name, topic_id=decisions.topic_id, partitions=decisions.partitions),
        audit_topic=shared.audit,
        audit_topic_id=audit.topic_id,
        dead_letter_topic=shared.dead_letters,
        schemas=agent.schemas,
        skips=skips,
    )
