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
from streamwarden_operator.ports.kubernetes import Cluster, Manifest, Workload, WorkloadState
from streamwarden_operator.ports.policy_log import GateAcks, PolicyLog, SignedRecord
from streamwarden_operator.ports.registry import SchemaRegistry, SubjectSchema

__all__ = [
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
    "Workload",
    "WorkloadState",
]
