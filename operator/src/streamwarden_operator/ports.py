"""What the reconcilers need from the outside, as Protocols: Kafka, the registry, and the Kubernetes side.

Every method may raise ``UnavailableError`` (retried), ``InvalidSpecError`` (the user must act) and nothing else.
Applying is idempotent: what is already there is success.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from streamwarden_contract.acks import GateAck
from streamwarden_contract.models.base import Kind, Status
from streamwarden_contract.models.pod import PodFields

from streamwarden_operator.errors import OperatorError
from streamwarden_operator.keys import Key

K = TypeVar("K", bound=Kind)

Manifest = dict[str, Any]
"""A Kubernetes object, as in its YAML."""


# --- Kafka -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as desired or as observed."""

    name: str
    partitions: int
    replication_factor: int | None = None
    """None, where desired: the broker's default."""
    config: Mapping[str, str] = field(default_factory=dict)
    """Only what the topic itself carries (DYNAMIC_TOPIC_CONFIG), never a broker default."""
    topic_id: str = ""
    """Set where observed."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """The changes to make, in the order to make them. Falsy when there are none."""

    create: Topic | None = None
    grow_to: int | None = None
    set_config: Mapping[str, str] = field(default_factory=dict)
    unset_config: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.create or self.grow_to or self.set_config or self.unset_config)


class Topics(Protocol):
    """The topics of the cluster."""

    async def observe(self, names: Collection[str]) -> Mapping[str, Topic]:
        """Return the topics that exist, by name; an absent one has no entry."""
        ...

    async def apply(self, name: str, plan: TopicPlan) -> None:
        """Carry out the plan; returns once the topic can be described."""
        ...

    async def delete(self, name: str) -> None:
        """Delete a topic; an absent one is success."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One allow ACL of one principal from any host (``denied`` for the rare DENY, which is only observed)."""

    principal: str
    """With its type: ``User:risk.url-guard.gate``."""
    resource_type: str
    """TOPIC, GROUP, TRANSACTIONAL_ID, CLUSTER, ..."""
    resource_name: str
    operation: str
    pattern_type: str = "LITERAL"
    """LITERAL or PREFIXED."""
    host: str = "*"
    denied: bool = False


@dataclass(frozen=True, slots=True)
class AclPlan:
    """Set differences. Falsy when there is nothing to do. Removal comes first: access is narrowed, then widened."""

    remove: frozenset[Acl] = frozenset()
    add: frozenset[Acl] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.remove or self.add)


class Acls(Protocol):
    """The ACLs of the cluster."""

    async def observe(self) -> frozenset[Acl]: ...

    async def apply(self, plan: AclPlan) -> None: ...


class ScramUsers(Protocol):
    """SCRAM-SHA-512 users. Names are without ``User:``."""

    async def observe(self) -> frozenset[str]: ...

    async def upsert(self, user: str, password: str) -> None: ...

    async def delete(self, user: str) -> None: ...


@dataclass(frozen=True, slots=True)
class PartitionOffsets:
    """One partition, as a group sees it."""

    partition: int
    low: int
    high: int
    committed: int | None
    """None: the group has committed nothing."""
    metadata: str = ""


class Offsets(Protocol):
    """Committed offsets of groups, and the ends of partitions."""

    async def observe(self, group: str, topic: str) -> Sequence[PartitionOffsets]: ...

    async def commit(self, group: str, topic: str, offsets: Mapping[int, tuple[int, str]]) -> None:
        """Commit (offset, metadata) by partition for a group without members."""
        ...

    async def keep(self, group: str, topics: Sequence[str]) -> None:
        """Begin the retention of a group's offsets anew; it has no members, and has none afterwards.

        Args:
            group: the group.
            topics: all that it has offsets of: of a topic that is left out they may be deleted.
        """
        ...


@dataclass(frozen=True, slots=True)
class GroupReads:
    """A consumer group, and the topics whose lag counts."""

    group: str
    topics: tuple[str, ...]
    earliest: bool
    """What an offset that is not committed, or not there any more, means: the partition's beginning, or (False) that
    nobody knows the lag."""
    exact: bool = False
    """Whether a lag that may be none (transaction markers, aborted records) is looked into at once and not only when it
    stays."""


@dataclass(frozen=True, slots=True)
class GroupLag:
    """What a group has not processed."""

    records: int
    partitions: int
    """Of the largest of its topics."""


class Lags(Protocol):
    """Lag of consumer groups, of many in few requests."""

    async def read(self, wanted: Collection[GroupReads]) -> Mapping[GroupReads, GroupLag | OperatorError]:
        """Return the lag of each, or why it could not be read: what ails one is not the others' trouble."""
        ...


# --- Schema registry -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SubjectSchema:
    """The latest schema of a subject."""

    subject: str
    schema_id: int
    version: int
    definition: str
    compatibility_level: str | None
    """The subject's own level; None where the registry's default holds."""


class SchemaRegistry(Protocol):
    """A registry with Confluent's API."""

    async def observe(self, subject: str) -> SubjectSchema | None: ...

    async def set_compatibility(self, subject: str, level: str) -> None: ...

    async def register(self, subject: str, definition: str) -> SubjectSchema:
        """Register a version; the same text again gives the same version.

        Raises:
            InvalidSpecError: ``InvalidSchema``, with the registry's list of differences.
        """
        ...

    async def delete(self, subject: str) -> None: ...


# --- The policy log --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """One record to write; a value of None is a tombstone and has no signature."""

    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class PolicyLog(Protocol):
    """Policy topics, written by one fenced publisher."""

    @property
    def cluster_id(self) -> str:
        """Kafka's cluster id, which is signed with every record."""
        ...

    async def read(self, topic: str) -> Mapping[bytes, SignedRecord]:
        """Return the last record of every key, tombstones left out, after fencing any other publisher."""
        ...

    async def publish(self, topic: str, records: Sequence[SignedRecord]) -> None:
        """Write the records in one transaction, in order."""
        ...


class GateAcks(Protocol):
    """What the gates last reported."""

    def of_namespace(self, namespace: str) -> Sequence[GateAck]: ...

    async def forget(self, namespace: str, agent: str, pods: Collection[str]) -> None:
        """Take away what the gates of these pods said: they are gone for good."""
        ...


# --- The Kubernetes side ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Workload:
    """One agent's pods, resolved: no lookups happen below."""

    namespace: str
    agent: str
    uid: str
    image: str
    pod: PodFields
    """What the user says about the pods, environment included."""
    agent_config: str
    """JSON of ``AgentConfig``."""
    gate_config: str
    """JSON of ``GateConfig``."""
    agent_secret: str
    """Name of the Secret with the agent's ``client.properties``."""
    gate_secret: str
    """Name of the Secret with the gate's ``client.properties``."""
    public_keys: str
    """JSON of ``public-keys.json``; a change needs no restart."""
    spec_hash: str
    """Changes when the pods must be replaced."""
    replicas: int = 1
    """Pods of a workload that is made now; of one that exists ``scale_workload`` alone changes the number."""


@dataclass(frozen=True, slots=True)
class WorkloadState:
    """How an agent's pods are."""

    replicas: int
    """Pods that exist and are not ending."""
    desired: int = 1
    """Pods that are wanted."""
    ready: int = 0
    """Of them, those whose agent has joined its consumer group."""
    crashing: str = ""
    """Why pods keep ending, with their last lines; empty where they do not."""


class Cluster(Protocol):
    """The three kinds, Secrets and workloads: an API server, or ``streamwarden dev``'s files and processes."""

    def get(self, kind: type[K], namespace: str, name: str) -> K | None:
        """Return the resource as last seen; None where there is none."""
        ...

    def list(self, kind: type[K], namespace: str | None = None) -> Sequence[K]:
        """Return all resources of a kind, in a namespace or everywhere."""
        ...

    def unreadable(self) -> frozenset[Key]:
        """Return the resources that exist but are not as this version's models say: nothing of theirs is undone."""
        ...

    async def write_status(self, resource: Kind, status: Status) -> None:
        """Write the status where it differs from ``resource.status``."""
        ...

    async def read_secret(self, namespace: str, name: str) -> Mapping[str, str] | None: ...

    async def apply_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None: ...

    async def delete_secret(self, namespace: str, name: str) -> None: ...

    async def apply_workload(self, workload: Workload) -> WorkloadState:
        """Make the pods match; unchanged ones are left alone, and so is the number of those that exist."""
        ...

    async def scale_workload(self, namespace: str, agent: str, replicas: int) -> None:
        """Want so many pods from now on; an absent workload is left absent."""
        ...

    async def delete_workload(self, namespace: str, agent: str) -> bool:
        """End the pods. False: some are still ending; the agent gets another look once they have."""
        ...

    def pods(self, namespace: str, agent: str) -> frozenset[str] | None:
        """Return the names of the pods that exist, ending ones too; None where nobody can tell."""
        ...

    async def set_finalizer(self, resource: Kind, finalizer: str, *, present: bool) -> None: ...

    async def record_event(self, key: Key, *, reason: str, message: str, warning: bool) -> None:
        """Tell people something they should act on or look at (a Kubernetes Event)."""
        ...
