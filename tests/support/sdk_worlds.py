"""Where the SDK's ports are tried: in memory, or on a Kafka."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from confluent_kafka import Producer
from streamwarden.core.records import Partition
from streamwarden.runtime.feed import KafkaFeed
from streamwarden.runtime.history import KafkaHistory
from streamwarden.runtime.pauses import LoopClock
from streamwarden.runtime.ports import Ports
from streamwarden.runtime.transactions import KafkaTransactions
from support.kafka_tools import WAIT_S, Cluster
from support.sdk_fakes import FakeFeed, FakeHistory, FakeKafka, FakeTransactions
from support.sdk_served import causes, page_headers

if TYPE_CHECKING:
    from streamwarden.runtime.ports import Feed, History, Ranges, Transactions
    from streamwarden_kafka.connection import Connection

_PARTITIONS = 2


class World(Protocol):
    """A topic ``pages`` of two partitions, a decision topic, and a group of agents."""

    topic: str

    def observe(self, *numbers: int, partition: int = 0, in_transaction: bool = False) -> None:
        """Write events of pages; a transaction leaves its marker behind them."""
        ...

    def lose_records(self) -> None:
        """Remove what is in the topic now, as retention does."""
        ...

    def feed(self) -> Feed:
        """Make a further member of the group."""
        ...

    def transactions(self, pod: str = "pages-0") -> Transactions:
        """Make a pod's transactions."""
        ...

    def history(self, ranges: Ranges) -> History:
        """Read the past."""
        ...

    def ports(self, pod: str = "pages-0") -> Ports:
        """Make everything that a server needs."""
        ...

    def decided(self) -> list[tuple[int, int]]:
        """Return the cause of every decision that can be read, by partition and offset, sorted."""
        ...

    def committed(self) -> dict[Partition, int]:
        """Return what the group has committed."""
        ...

    def ends(self) -> dict[Partition, int]:
        """Return the offset behind the last record or marker of each partition."""
        ...


@dataclass
class MemoryWorld:
    """In memory."""

    topic: str = "pages"
    kafka: FakeKafka = field(default_factory=FakeKafka)

    def __post_init__(self) -> None:
        self.kafka.create_topic(self.topic, _PARTITIONS)

    def observe(self, *numbers: int, partition: int = 0, in_transaction: bool = False) -> None:
        at = Partition(self.topic, partition)
        for number in numbers:
            self.kafka.append(at, f"page-{number}".encode(), b"{}", page_headers(number))
        if in_transaction:
            self.kafka.append_marker(at)

    def lose_records(self) -> None:
        self.kafka.first = self.ends()

    def feed(self) -> Feed:
        return FakeFeed(self.kafka, [self.topic])

    def transactions(self, pod: str = "pages-0") -> Transactions:
        return FakeTransactions(self.kafka, pod)

    def history(self, ranges: Ranges) -> History:
        return FakeHistory(self.kafka, ranges)

    def ports(self, pod: str = "pages-0") -> Ports:
        return Ports(self.feed(), self.transactions(pod), self.history, self.kafka.clock)

    def decided(self) -> list[tuple[int, int]]:
        return sorted(causes(each.value for each in self.kafka.decisions))

    def committed(self) -> dict[Partition, int]:
        return dict(self.kafka.committed)

    def ends(self) -> dict[Partition, int]:
        return {at: len(log) for at, log in self.kafka.logs.items()}


@dataclass
class KafkaWorld:
    """On a Kafka, as its super user."""

    connection: Connection
    topic: str
    cluster: Cluster = field(init=False)

    def __post_init__(self) -> None:
        self.cluster = Cluster(self.connection.librdkafka())
        self.cluster.create_topics(self.topic, self._decisions, partitions=_PARTITIONS)

    @property
    def _group(self) -> str:
        return f"{self.topic}.agent"

    @property
    def _decisions(self) -> str:
        return f"{self.topic}.decisions"

    def observe(self, *numbers: int, partition: int = 0, in_transaction: bool = False) -> None:
        own = {"transactional.id": f"{self.topic}.web"} if in_transaction else {}
        producer = Producer({**self.cluster.properties, **own})
        if in_transaction:
            producer.init_transactions(WAIT_S)
            producer.begin_transaction()
        for number in numbers:
            producer.produce(self.topic, b"{}", f"page-{number}".encode(), partition, headers=[*page_headers(number)])
        if in_transaction:
            producer.commit_transaction(WAIT_S)
        assert producer.flush(WAIT_S) == 0

    def lose_records(self) -> None:
        self.cluster.delete_records(self.topic)

    def feed(self) -> Feed:
        return KafkaFeed(self.connection, self._group, [self.topic])

    def transactions(self, pod: str = "pages-0") -> Transactions:
        return KafkaTransactions(self.connection, f"{self.topic}.{pod}", self._decisions)

    def history(self, ranges: Ranges) -> History:
        return KafkaHistory(self.connection, self._group, ranges)

    def ports(self, pod: str = "pages-0") -> Ports:
        history = partial(KafkaHistory, self.connection, self._group)
        return Ports(self.feed(), self.transactions(pod), history, LoopClock())

    def decided(self) -> list[tuple[int, int]]:
        return sorted(causes(message.value() for message in self.cluster.read_all(self._decisions)))

    def committed(self) -> dict[Partition, int]:
        found = self.cluster.committed(self._group, self.topic)
        return {Partition(self.topic, number): offset for number, offset in found.items()}

    def ends(self) -> dict[Partition, int]:
        found = self.cluster.end_offsets(self.topic)
        return {Partition(self.topic, number): offset for number, offset in found.items()}
