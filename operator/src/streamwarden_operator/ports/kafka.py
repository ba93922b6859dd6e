"""Kafka: topics, ACLs, users, offsets, lags."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from streamwarden_kafka.connection import SCRAM_SHA_512

from streamwarden_operator.errors import OperatorError


class ConfigType(StrEnum):
    """What kind of value a topic's configuration has, as Kafka says."""

    UNKNOWN = "UNKNOWN"
    BOOLEAN = "BOOLEAN"
    STRING = "STRING"
    INT = "INT"
    SHORT = "SHORT"
    LONG = "LONG"
    DOUBLE = "DOUBLE"
    LIST = "LIST"
    CLASS = "CLASS"
    PASSWORD = "PASSWORD"  # noqa: S105  # the type's name


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as desired or as observed."""

    name: str
    partitions: int
    replication_factor: int | None = None
    """None, where desired: the broker's default. Of a topic that is being reassigned: what it will have."""
    config: Mapping[str, str] = field(default_factory=dict)
    """Only what the topic itself carries (DYNAMIC_TOPIC_CONFIG), never a broker default."""
    topic_id: str = ""
    """Set where observed."""
    defaults: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """What holds where the topic carries nothing itself. Set where observed."""
    config_types: Mapping[str, ConfigType] = field(default_factory=dict, compare=False, repr=False)
    """Of every configuration that Kafka knows. Set where observed."""


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

    async def apply(self, name: str, plan: TopicPlan) -> bool:
        """Carry out the plan; returns, once the topic can be described, whether it was this call that made it."""
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
    """The ACLs of the cluster, as they were listed; with what was changed through here since."""

    async def observe(self, *, lately: bool = False) -> AbstractSet[Acl]:
        """Return every ACL of the cluster. It may change with what is applied or listed later; it is not to be changed.

        Args:
            lately: as of some seconds ago at the most; else as of the last time that ``look_again`` was due.
        """
        ...

    async def look_again(self) -> frozenset[Acl]:
        """List them, and return those that others have made or taken away since the last call.

        Until somebody has observed them there is nothing to compare: Kafka is not asked then.
        """
        ...

    async def apply(self, plan: AclPlan) -> None:
        """Carry out the plan, and return once the brokers show it."""
        ...


class ScramUsers(Protocol):
    """SCRAM users, and their passwords, one of each mechanism. Names are without ``User:``."""

    async def observe(self, users: Collection[str] | None = None) -> Mapping[str, frozenset[str]]:
        """Return each user that has a password, with the mechanisms that it has one of; of these, or (None) of all."""
        ...

    async def upsert(self, user: str, password: str, mechanism: str = SCRAM_SHA_512) -> None:
        """Make a user, or give it this password of a mechanism; that of the other one stays."""
        ...

    async def delete(self, user: str, mechanism: str = "") -> None:
        """Take a user's password of a mechanism away, or (empty) all that it has."""
        ...


class Logins(Protocol):
    """Whether a user can log in. Users are named without ``User:``."""

    async def check(self, user: str, password: str, mechanism: str = SCRAM_SHA_512) -> bool:
        """Tell whether Kafka takes this password of a user."""
        ...

    async def end_tokens(self, user: str, password: str, mechanism: str = SCRAM_SHA_512) -> int:
        """End all delegation tokens of a user, which let in as its password does; return how many there were."""
        ...

    async def offers(self, user: str, mechanism: str) -> bool:
        """Tell whether Kafka takes logins by a mechanism at all; somebody must be named, who need not get in."""
        ...


Quotas = Mapping[str, float]
"""By Kafka's name: ``producer_byte_rate`` and ``consumer_byte_rate`` (bytes a second, at each broker),
``request_percentage`` (of one thread's time, at each broker)."""


@dataclass(frozen=True, slots=True)
class QuotaPlan:
    """The quotas of one user to set, and those to take away. Falsy when there are none."""

    set: Quotas = field(default_factory=dict)
    unset: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.set or self.unset)


class ClientQuotas(Protocol):
    """What users may use of the brokers. Names are without ``User:``."""

    async def observe(self) -> Mapping[str, Quotas]:
        """Return the quotas of each user that has some of its own, whatever its client id."""
        ...

    async def apply(self, user: str, plan: QuotaPlan) -> None:
        """Change a user's quotas, and return once a broker shows it; what the plan does not name stays."""
        ...


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
        """Commit (offset, metadata) by partition for a group without members.

        Raises:
            GroupInUseError: it has members.
        """
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
    """Whether the records of a lag that may be none (transaction markers, aborted records) are fetched at once, and not
    only when it stays."""


@dataclass(frozen=True, slots=True)
class GroupLag:
    """What a group has not processed."""

    records: int
    partitions: int
    """Of the largest of its topics."""


class Lags(Protocol):
    """Lag of consumer groups, of many in few requests."""

    async def read(self, wanted: Collection[GroupReads]) -> Mapping[GroupReads, GroupLag | OperatorError]:
        """Return the lag of each, or why it could not be read: what ails one is not the others' trouble.

        One that must be exact, and could not be looked into this time, is left out: ask again.
        """
        ...
