"""What a policy log should hold: the policies of a namespace, and for each agent what its gate must have to judge."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models import AgentDeployment, Policy, TopicContract
from streamwarden_contract.models.policy import PolicySpec
from streamwarden_contract.names import AgentNames
from streamwarden_contract.policylog import BindingRecord, CommandTarget, DecisionTopic

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

    def describes(self, record: BindingRecord) -> bool:
        """Tell whether a published binding says the same, whatever the policies."""
        return (
            self.agent_uid == record.agent_uid
            and dict(self.labels) == record.labels
            and dict(self.decisions) == record.decisions
            and self.inputs == record.inputs
            and self.decision_topic == record.decision_topic
            and (self.audit_topic, self.audit_topic_id) == (record.audit_topic, record.audit_topic_id)
            and self.dead_letter_topic == record.dead_letter_topic
        )


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
    unreadable: Collection[str] = (),
) -> DesiredLog:
    """Build a namespace's log.

    Args:
        policies: all policies of the namespace.
        agents: all agents of the namespace.
        bindings: by agent, for those that are ready for one.
        refused: names of the policies that are not accepted.
        released: uids of agents that are being deleted and have no pods and no access any more: they get no binding.
        unreadable: names of agents that exist and cannot be read: their last binding stays.
    """
    living = [policy for policy in policies if policy.metadata.deletion_timestamp is None]
    names = {agent.metadata.name for agent in agents if agent.metadata.uid not in released}
    return DesiredLog(
        valid={policy.metadata.name: policy.spec for policy in living if policy.metadata.name not in refused},
        invalid={policy.metadata.name: policy.spec for policy in living if policy.metadata.name in refused},
        bindings={name: binding for name, binding in bindings.items() if name in names},
        unready=frozenset({*names, *unreadable} - set(bindings)),
    )


def build_binding(
    agent: AgentDeployment, contracts: Mapping[str, TopicContract], *, decisions: Topic, audit: Topic
) -> DesiredBinding:
    """Build the binding of an agent whose contracts all exist.

    Args:
        agent: the agent.
        contracts: the contracts that it refers to, by name.
        decisions: its decision topic as observed.
        audit: the namespace's audit topic as observed.
    """
    names = AgentNames(agent.metadata.namespace, agent.metadata.name)
    schemas: dict[str, str] = {}
    targets: dict[str, CommandTarget] = {}
    for target in agent.spec.decisions:
        contract = contracts[target.command_topic_ref.name]
        sha256: str | None = None
        if contract.spec.value_schema is not None:
            definition = contract.spec.value_schema.definition
            sha256 = sha256_hex(definition.encode())
            schemas[sha256] = definition
        targets[target.type] = CommandTarget(
            topic=contract.spec.topic_name, keyed=contract.spec.key == "Entity", schema_sha256=sha256
        )
    return DesiredBinding(
        namespace=agent.metadata.namespace,
        agent=agent.metadata.name,
        agent_uid=agent.metadata.uid,
        labels=dict(agent.metadata.labels),
        decisions=targets,
        inputs=input_topics(agent, contracts),
        decision_topic=DecisionTopic(name=decisions.name, topic_id=decisions.topic_id, partitions=decisions.partitions),
        audit_topic=names.shared.audit,
        audit_topic_id=audit.topic_id,
        dead_letter_topic=names.shared.dead_letters,
        schemas=schemas,
    )


def input_topics(agent: AgentDeployment, contracts: Mapping[str, TopicContract]) -> tuple[str, ...]:
    """Return the topics that the agent reads, inputs and outcomes, sorted, each once."""
    refs = [source.topic_ref.name for source in agent.spec.inputs]
    refs += [source.topic_ref.name for source in agent.spec.outcomes]
    return tuple(sorted({contracts[ref].spec.topic_name for ref in refs}))


def command_topics(agent: AgentDeployment, contracts: Mapping[str, TopicContract]) -> tuple[str, ...]:
    """Return the topics of the agent's commands, sorted, each once."""
    return tuple(sorted({contracts[target.command_topic_ref.name].spec.topic_name for target in agent.spec.decisions}))
