"""A signed policy log as the operator writes it, for tests of whoever reads it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from streamwarden_contract import policylog
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models.policy import PolicySpec
from streamwarden_contract.policylog import (
    BindingRecord,
    BoundPolicyRef,
    CommandTarget,
    DecisionTopic,
    EpochRecord,
    IndexRecord,
    PolicyRecord,
    PolicyVersion,
    Record,
    SchemaRecord,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LogRecord = tuple[bytes, bytes | None, list[tuple[str, bytes]]]
"""Key, value (None is a tombstone) and headers."""


@dataclass
class SigningKey:
    """An Ed25519 key pair with its id."""

    key_id: str = "test-1"
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public_file(self) -> dict[str, str]:
        """The content of ``public-keys.json``."""
        return {self.key_id: base64.b64encode(self.private.public_key().public_bytes_raw()).decode()}

    def signed(self, topic: str, record: Record, *, cluster_id: str) -> LogRecord:
        """Sign a record for one topic of one cluster."""
        return self.signed_bytes(topic, record.key.encode(), record.encode(), cluster_id=cluster_id)

    def signed_bytes(self, topic: str, key: bytes, value: bytes, *, cluster_id: str) -> LogRecord:
        """Sign any bytes."""
        message = policylog.signed_message(cluster_id=cluster_id, topic=topic, key=key, value=value)
        headers = [
            (policylog.SIGNATURE_HEADER, self.private.sign(message)),
            (policylog.KEY_ID_HEADER, self.key_id.encode()),
        ]
        return key, value, headers


def policy_spec(*rules: str, decisions: Sequence[str] = (), action: str = "Enforce") -> PolicySpec:
    """Make a policy whose rules are called ``r0``, ``r1`` and so on."""
    return PolicySpec.model_validate(
        {
            "match": {"decisions": list(decisions)},
            "failureAction": action,
            "rules": [
                {"name": f"r{number}", "require": rule, "message": f"rule {number} says no"}
                for number, rule in enumerate(rules)
            ],
        }
    )


def policy_record(namespace: str, name: str, spec: PolicySpec, *, revision: int = 1, epoch: int = 1) -> PolicyRecord:
    """Make the record of a policy, with its digest."""
    return PolicyRecord(
        namespace=namespace,
        name=name,
        revision=revision,
        epoch=epoch,
        digest=policylog.spec_digest(spec),
        spec=spec,
    )


def schema_record(definition: str, *, epoch: int = 1) -> SchemaRecord:
    """Make the record of a JSON Schema."""
    return SchemaRecord(epoch=epoch, sha256=sha256_hex(definition.encode()), definition=definition)


def binding_record(  # one keyword for each thing that a test varies
    namespace: str,
    agent: str,
    policies: Sequence[PolicyRecord],
    decisions: Mapping[str, CommandTarget],
    *,
    uid: str = "uid-1",
    revision: int = 1,
    epoch: int = 1,
    partitions: int = 3,
    topic_id: str = "topic-id",
    audit_topic_id: str = "audit-id",
) -> BindingRecord:
    """Make a binding that names these policies as they are."""
    return BindingRecord(
        epoch=epoch,
        namespace=namespace,
        agent=agent,
        agent_uid=uid,
        labels={"role": "test"},
        revision=revision,
        policies=tuple(
            BoundPolicyRef(namespace=each.namespace, name=each.name, revision=each.revision, digest=each.digest)
            for each in policies
        ),
        decisions=dict(decisions),
        inputs=(f"{namespace}.inputs",),
        decision_topic=DecisionTopic(name=f"{namespace}.{agent}.decisions", topic_id=topic_id, partitions=partitions),
        audit_topic=f"{namespace}.streamwarden.audit",
        audit_topic_id=audit_topic_id,
        dead_letter_topic=f"{namespace}.streamwarden.dlq",
    )


def index_record(
    policies: Sequence[PolicyRecord], *bindings: BindingRecord, revision: int, epoch: int = 1
) -> IndexRecord:
    """Make the index of these policies and bindings."""
    versions = {each.name: PolicyVersion(revision=each.revision, digest=each.digest) for each in policies}
    revisions = {each.agent: each.revision for each in bindings}
    return IndexRecord(epoch=epoch, revision=revision, policies=versions, bindings=revisions)


def epoch_record(epoch: int = 1, *, revision_counter: int = 1, index: IndexRecord | None = None) -> EpochRecord:
    """Make the record that closes an epoch."""
    return policylog.close_epoch(epoch, revision_counter, index)
