"""Which topics should exist."""

from streamwarden_contract.models import TopicContract
from streamwarden_contract.names import AgentNames, InstallationNames, NamespaceNames

from streamwarden_operator.ports import Topic

DAY_MS = 24 * 60 * 60 * 1000
AUDIT_RETENTION_MS = 183 * DAY_MS
"""Half a year: what the law asks of logs of high-risk systems, at the least."""

DECISION_RETENTION_BYTES = 1 << 30
"""Of one partition: an agent that floods its own topic fills its own allowance, not the broker's disk."""

DECISION_MAX_MESSAGE_BYTES = 1 << 20
"""It limits batches, not records: at 64 KiB a client's default batches would fail. The gate checks each record."""

DEAD_LETTER_MAX_MESSAGE_BYTES = 2 << 20
"""The original in base64 within an envelope is larger than the original."""

AUDIT_PARTITIONS = 6
"""Fixed: records of one decision partition stay in order only as long as this number stays."""


def build_contract_topic(contract: TopicContract) -> Topic:
    """Build the topic that a contract promises."""
    spec = contract.spec
    return Topic(
        name=spec.topic_name,
        partitions=spec.partitions,
        replication_factor=spec.replicas,
        config={key: str(value) for key, value in spec.config.items()},
    )


def build_decision_topic(names: AgentNames, *, partitions: int) -> Topic:
    """Build an agent's decision topic; the broker, not the agent, says when a decision was written.

    Args:
        names: the agent's names.
        partitions: the largest count of its inputs' topics. Of an existing topic see ``plans.topics.keep_partitions``.
    """
    return Topic(
        name=names.decisions,
        partitions=partitions,
        config={
            "cleanup.policy": "delete",
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(DECISION_MAX_MESSAGE_BYTES),
            "retention.bytes": str(DECISION_RETENTION_BYTES),
        },
    )


def build_shared_topics(names: NamespaceNames) -> tuple[Topic, ...]:
    """Build the topics that the agents of a namespace share: audit, dead letters, policies, gates."""
    return (
        Topic(
            name=names.audit,
            partitions=AUDIT_PARTITIONS,
            config={
                "cleanup.policy": "delete",
                "message.timestamp.type": "LogAppendTime",
                "retention.ms": str(AUDIT_RETENTION_MS),
            },
        ),
        Topic(
            name=names.dead_letters,
            partitions=1,
            config={"cleanup.policy": "delete", "max.message.bytes": str(DEAD_LETTER_MAX_MESSAGE_BYTES)},
        ),
        build_policy_topic(names),
        _compacted(names.gates),
    )


def build_policy_topic(names: NamespaceNames) -> Topic:
    """Build a namespace's policy topic: who makes it has the namespace."""
    return _compacted(names.policies)


def build_guardrail_topic(names: InstallationNames) -> Topic:
    """Build the policy topic that binds every namespace."""
    return _compacted(names.guardrails)


def build_inventory_topic(names: InstallationNames) -> Topic:
    """Build the topic of what the installation has made."""
    return _compacted(names.inventory)


def _compacted(name: str) -> Topic:
    return Topic(name=name, partitions=1, config={"cleanup.policy": "compact"})
