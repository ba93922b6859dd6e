"""Which topics should exist."""

from dataclasses import dataclass, replace

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


@dataclass(frozen=True, slots=True)
class Durability:
    """How many copies there are of what agents share; None: as the broker has it by default."""

    replicas: int | None = None
    min_insync_replicas: int | None = None

    def of(self, topic: Topic, observed: Topic | None) -> Topic:
        """Return a shared topic as it is made, or kept: the replicas of one that exists only Kafka's tools change.

        Where it has fewer than ``min_insync_replicas`` these are not demanded: nobody could write to it.
        """
        replicas = self.replicas if observed is None else None
        there = self.replicas if observed is None else observed.replication_factor
        demanded = self.min_insync_replicas is not None and (there is None or there >= self.min_insync_replicas)
        config = {**topic.config, _MIN_INSYNC: str(self.min_insync_replicas)} if demanded else topic.config
        return replace(topic, replication_factor=replicas, config=config)

    def shortfall(self, observed: Topic) -> str:
        """Say what a shared topic lacks; empty where it has enough."""
        has, wanted = observed.replication_factor, max(self.replicas or 0, self.min_insync_replicas or 0)
        return f"{observed.name} has {has} of {wanted} replicas" if has is not None and has < wanted else ""


_MIN_INSYNC = "min.insync.replicas"


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
