"""One record of each kind that the policy log has, for the tests of its format."""

from streamwarden_contract import policylog
from streamwarden_contract.models.policy import Match, PolicySpec, Rule
from streamwarden_contract.policylog import (
    BindingRecord,
    BoundPolicyRef,
    CommandTarget,
    DecisionTopic,
    PolicyRecord,
    SchemaRecord,
)

SPEC = PolicySpec(
    match=Match(decisions=("block-url",)), rules=(Rule(name="confident", require="decision.confidence > 0.8"),)
)
POLICY = PolicyRecord(
    epoch=3, namespace="risk", name="url-blocking", revision=17, digest=policylog.spec_digest(SPEC), spec=SPEC
)
SCHEMA = SchemaRecord(epoch=3, sha256="a" * 64, definition='{"type":"object"}')
BINDING = BindingRecord(
    epoch=3,
    namespace="risk",
    agent="url-guard",
    agent_uid="uid-1",
    labels={"role": "decisioning"},
    revision=18,
    policies=(BoundPolicyRef(namespace="risk", name="url-blocking", revision=17, digest=POLICY.digest),),
    decisions={"block-url": CommandTarget(topic="risk.urls.commands", keyed=True, schema_sha256="a" * 64)},
    inputs=("risk.urls.observed",),
    decision_topic=DecisionTopic(name="risk.url-guard.decisions", topic_id="t-1", partitions=12),
    audit_topic="risk.streamwarden.audit",
    audit_topic_id="t-2",
    dead_letter_topic="risk.streamwarden.dlq",
)
