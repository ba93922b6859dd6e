"""What the reconcilers need from the outside, as Protocols: Kafka, the registry, and the Kubernetes side.

Every method may raise ``UnavailableError`` (retried), ``InvalidSpecError`` (the user must act) and nothing else.
Applying is idempotent: what is already there is success.
"""

from streamwarden_operator.ports.kafka import (
    Acl,
    AclPlan,
    Acls,
    GroupLag,
    GroupReads,
    Lags,
    Offsets,
    PartitionOffsets,
    ScramUsers,
    Topic,
    TopicPlan,
    Topics,
)
from streamwarden_operator.ports.kubernetes import NOT_READABLE, Cluster, Manifest, Unreadable, Workload, WorkloadState
from streamwarden_operator.ports.policy_log import GateAcks, PolicyLog, SignedRecord
from streamwarden_operator.ports.registry import SchemaRegistry, SubjectSchema

__all__ = [
    "NOT_READABLE",
    "Acl",
    "AclPlan",
    "Acls",
    "Cluster",
    "GateAcks",
    "GroupLag",
    "GroupReads",
    "Lags",
    "Manifest",
    "Offsets",
    "PartitionOffsets",
    "PolicyLog",
    "SchemaRegistry",
    "ScramUsers",
    "SignedRecord",
    "SubjectSchema",
    "Topic",
    "TopicPlan",
    "Topics",
    "Unreadable",
    "Workload",
    "WorkloadState",
]
