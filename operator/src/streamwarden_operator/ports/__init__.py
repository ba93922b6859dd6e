"""What the reconcilers need from the outside, as Protocols: Kafka, the registry, and the Kubernetes side.

Every method may raise ``UnavailableError`` (retried), ``InvalidSpecError`` (the user must act) and nothing else.
Applying is idempotent: what is already there is success.
"""

from streamwarden_operator.ports.inventory_requests import InventoryRequests, Ordered
from streamwarden_operator.ports.kafka import (
    Acl,
    AclPlan,
    Acls,
    ClientQuotas,
    ConfigType,
    GroupLag,
    GroupReads,
    Lags,
    Logins,
    Offsets,
    PartitionOffsets,
    QuotaPlan,
    Quotas,
    ScramUsers,
    Topic,
    TopicPlan,
    Topics,
)
from streamwarden_operator.ports.keys import KeyIds, RotationAsked, SigningKeys
from streamwarden_operator.ports.kubernetes import NOT_READABLE, Cluster, Manifest, Unreadable, Workload, WorkloadState
from streamwarden_operator.ports.policy_log import GateAcks, PolicyLog, SignedRecord
from streamwarden_operator.ports.registry import SchemaRegistry, SubjectSchema

__all__ = [
    "NOT_READABLE",
    "Acl",
    "AclPlan",
    "Acls",
    "ClientQuotas",
    "Cluster",
    "ConfigType",
    "GateAcks",
    "GroupLag",
    "GroupReads",
    "InventoryRequests",
    "KeyIds",
    "Lags",
    "Logins",
    "Manifest",
    "Offsets",
    "Ordered",
    "PartitionOffsets",
    "PolicyLog",
    "QuotaPlan",
    "Quotas",
    "RotationAsked",
    "SchemaRegistry",
    "ScramUsers",
    "SignedRecord",
    "SigningKeys",
    "SubjectSchema",
    "Topic",
    "TopicPlan",
    "Topics",
    "Unreadable",
    "Workload",
    "WorkloadState",
]
