"""What the operator, and the gates that it starts, need of a Kafka: requests, and since when there are. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

OLDEST_KAFKA = "3.9"
"""The oldest that is tested: ``docs/versions.md``."""


@dataclass(frozen=True, slots=True)
class Need:
    """A request that must be answered, in some version at least."""

    api_key: int
    name: str
    version: int
    since: str
    """The release of Kafka that brought this version."""
    use: str


NEEDS = (
    Need(3, "Metadata", 10, "2.8", "to tell a topic from one made again under its name"),
    Need(19, "CreateTopics", 0, "0.10.1", "to make topics"),
    Need(22, "InitProducerId", 3, "2.5", "to fence an earlier publisher of policies"),
    Need(28, "TxnOffsetCommit", 3, "2.5", "for gates, to commit what they have judged with what they have written"),
    Need(30, "CreateAcls", 1, "2.0", "to give rights by prefix"),
    Need(37, "CreatePartitions", 0, "1.0", "to let topics grow"),
    Need(44, "IncrementalAlterConfigs", 0, "2.3", "to change a topic's configuration and leave the rest of it"),
    Need(46, "ListPartitionReassignments", 0, "2.4", "to leave a topic alone that is being moved"),
    Need(51, "AlterUserScramCredentials", 0, "2.7", "to give agents and gates users"),
    Need(60, "DescribeCluster", 0, "2.8", "to know which cluster it is"),
)


def lacking(offered: Mapping[int, int]) -> list[Need]:
    """Return what is needed and not offered: the highest version of each request by its API key."""
    return [need for need in NEEDS if offered.get(need.api_key, -1) < need.version]


def too_old(needs: list[Need]) -> str:
    """Say what a Kafka lacks, and what to do."""
    words = "; ".join(f"{need.name} version {need.version}, since Kafka {need.since}, {need.use}" for need in needs)
    return (
        f"this Kafka is too old for the operator, or leaves out what it needs: it does not answer {words}. "
        f"Upgrade its brokers to Kafka {OLDEST_KAFKA} or later, or name another Kafka in STREAMWARDEN_KAFKA_PROPERTIES"
    )
