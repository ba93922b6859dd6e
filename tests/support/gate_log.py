"""A policy log in memory, and records of a decision topic, for the gate's unit tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_contract import events
from streamwarden_contract.decision import Cause, Decision
from streamwarden_contract.names import InstallationNames
from streamwarden_contract.partitioner import partition_of
from streamwarden_contract.policylog import CommandTarget
from streamwarden_contract.signatures import PublicKeys
from streamwarden_gate.records import Record
from streamwarden_gate.snapshot import Identity, Snapshot
from streamwarden_kafka.records import TopicFacts
from support.policy_log import (
    SigningKey,
    binding_record,
    epoch_record,
    policy_record,
    policy_spec,
    schema_record,
)

if TYPE_CHECKING:
    from streamwarden_contract import policylog
    from streamwarden_gate.active import ActiveSet
    from streamwarden_gate.policy_topic import Refusal

INSTALLATION = InstallationNames()

CLUSTER = "cluster-1"
NAMESPACE, AGENT, PARTITIONS = "risk", "guard", 3
POLICIES = f"{NAMESPACE}.streamwarden.policies"
IDENTITY = Identity(NAMESPACE, AGENT, "uid-1", "pod-0")
SCHEMA = '{"type":"object","properties":{"score":{"type":"number"}},"required":["score"]}'
TOPIC_ID = "topic-id"
"""Of the decision topic."""
FACTS = {
    f"{NAMESPACE}.{AGENT}.decisions": TopicFacts(TOPIC_ID, PARTITIONS),
    f"{NAMESPACE}.streamwarden.audit": TopicFacts("audit-id", 1),
}


class MemoryKeys(PublicKeys):
    """Public keys in memory."""

    def __init__(self, *keys: SigningKey) -> None:
        super().__init__({key.key_id: key.private.public_key().public_bytes_raw() for key in keys})


class MemoryLog:
    """Signs records and feeds them to a snapshot."""

    def __init__(self) -> None:
        self.key = SigningKey()
        self.snapshot = Snapshot(IDENTITY, cluster_id=CLUSTER, keys=MemoryKeys(self.key))
        self.policy = policy_record(NAMESPACE, "confident", policy_spec("decision.confidence >= 0.8"))
        self.schema = schema_record(SCHEMA)
        self.targets = {
            "block": CommandTarget(topic="risk.commands", keyed=True, schema_sha256=self.schema.sha256),
            "free": CommandTarget(topic="risk.notes", keyed=False),
        }
        self.binding = binding_record(NAMESPACE, AGENT, [self.policy], self.targets)

    def write(self, *records: policylog.Record, topic: str = POLICIES, key: SigningKey | None = None) -> Refusal | None:
        """Feed signed records, and return the last one's refusal."""
        refusal = None
        for record in records:
            refusal = self.snapshot.feed(topic, *(key or self.key).signed(topic, record, cluster_id=CLUSTER))
        return refusal

    def write_guardrails(self) -> None:
        """Feed the guardrail topic as it is without guardrails."""
        self.write(epoch_record(revision_counter=0), topic=INSTALLATION.guardrails)

    def write_all(self) -> None:
        """Feed both topics completely."""
        self.write_guardrails()
        self.write(self.policy, self.schema, self.binding, epoch_record())

    def build(self, last_good: ActiveSet | None = None) -> ActiveSet:
        """Build the set."""
        return self.snapshot.build(FACTS, last_good)


def decision(entity: str = "page-1", **fields: object) -> Decision:
    """Make a valid decision."""
    given: dict[str, object] = {
        "type": "block",
        "entity": entity,
        "parameters": {"score": 0.5},
        "cause": Cause(topic="risk.inputs", partition=0, offset=7),
        "confidence": 0.9,
        "reasoning": "looks bad",
    }
    return Decision.model_validate(given | fields)


def headers(entity: str | None = "page-1", type_: str = events.DECISION_TYPE) -> list[tuple[str, bytes]]:
    """Make the headers of a decision."""
    event = events.CloudEvent(
        id="d-1",
        source="/streamwarden/risk/guard",
        type=type_,
        subject=entity,
        correlationid="c-1",
        causationid="i-1",
        hops=2,
    )
    return event.headers()


def record(
    value: bytes | None,
    *,
    key: bytes | None = b"page-1",
    headers_: list[tuple[str, bytes]] | None = None,
    offset: int = 0,
    partition: int | None = None,
) -> Record:
    """Make a record of the decision topic; it stands on its key's partition unless said otherwise."""
    own = partition_of(key or b"", PARTITIONS)
    given = headers() if headers_ is None else headers_
    return Record(key, value, list(given), own if partition is None else partition, offset, 1_700_000_000_000)
