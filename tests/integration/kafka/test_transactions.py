"""The transactional producer on both brokers: what is visible, what is not, and how one goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, TopicPartition
from streamwarden_kafka.errors import ProducerFencedError, RecordRefusedError, TransactionUnknownError
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.records import Offset, Write
from streamwarden_kafka.transactions import TransactionalProducer
from support.kafka_tools import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from confluent_kafka import Message
    from support.brokers import Broker


@pytest.fixture
def cluster(broker: Broker) -> Cluster:
    return Cluster(broker.properties)


@pytest.fixture
def producer_of(broker: Broker) -> Iterator[Callable[..., TransactionalProducer]]:
    """Makes producers by transactional id; drops them."""
    made: list[TransactionalProducer] = []

    def make(transactional_id: str, **given: object) -> TransactionalProducer:
        made.append(TransactionalProducer(broker.operator, transactional_id, ClientLog("test"), **given))  # type: ignore[arg-type]  # as the test says
        made[-1].open()
        return made[-1]

    yield make
    for each in made:
        each.close()


def values(cluster: Cluster, topic: str) -> list[bytes | None]:
    return [record.value() for record in cluster.read_all(topic)]


def test_records_and_offsets_become_visible_together(
    cluster: Cluster, producer_of: Callable[..., TransactionalProducer], unique: str
) -> None:
    cluster.create_topics(unique, partitions=2)
    cluster.create_topics(f"{unique}.in")
    producer = producer_of(unique)
    own = {name: value for name, value in cluster.properties.items() if name != "partitioner"}
    member = Consumer({**own, "group.id": unique})
    # As before a gate: the group has offsets, and so a coordinator.
    member.commit(offsets=[TopicPartition(f"{unique}.in", 0, 1)], asynchronous=False)
    written = [
        Write(unique, b"k", b"a", [("h", b"1"), ("h", b"2")], 1),
        Write(unique, None, None, [], 1),
    ]
    producer.commit(written, [Offset(f"{unique}.in", 0, 7, "head")], member.consumer_group_metadata())
    producer.commit([Write(unique, b"k", b"next", [], 1)])
    member.close()

    found = cluster.read_all(unique)
    assert [(record.partition(), record.key(), record.value(), record.headers()) for record in found] == [
        (1, b"k", b"a", [("h", b"1"), ("h", b"2")]),
        (1, None, None, None),
        (1, b"k", b"next", None),
    ]
    assert [(place.offset, place.metadata) for place in cluster.places(unique, f"{unique}.in")] == [(7, "head")]


def test_a_key_goes_where_every_client_puts_it(
    cluster: Cluster, producer_of: Callable[..., TransactionalProducer], unique: str
) -> None:
    cluster.create_topics(unique, partitions=3)
    producer_of(unique).commit([Write(unique, f"k-{number}".encode(), b"", []) for number in range(20)])
    cluster.produce(unique, [(f"k-{number}".encode(), b"", []) for number in range(20)])
    places: dict[bytes | None, set[int | None]] = {}
    for record in cluster.read_all(unique):
        places.setdefault(record.key(), set()).add(record.partition())
    assert {key: len(found) for key, found in places.items()} == {f"k-{number}".encode(): 1 for number in range(20)}


def test_a_transaction_goes_on_while_its_caller_does_other_things(
    cluster: Cluster, producer_of: Callable[..., TransactionalProducer], unique: str
) -> None:
    cluster.create_topics(unique)
    producer = producer_of(unique)
    under_way = producer.begin([Write(unique, None, b"a", [])])
    under_way.finish()
    assert values(cluster, unique) == [b"a"]


def test_a_record_that_is_refused_takes_its_transaction_with_it_and_the_next_one_works(
    cluster: Cluster, producer_of: Callable[..., TransactionalProducer], unique: str
) -> None:
    cluster.create_topics(unique, config={"max.message.bytes": "1000"})
    producer = producer_of(unique)
    for size in (5_000, 3_000_000):  # the broker refuses the one, librdkafka itself the other
        with pytest.raises(RecordRefusedError) as refused:
            producer.commit([Write(unique, None, b"good", []), Write(unique, None, b"x" * size, [])])
        assert (refused.value.topic, refused.value.code) == (unique, "MSG_SIZE_TOO_LARGE")
    producer.commit([Write(unique, None, b"after", [])])
    assert values(cluster, unique) == [b"after"]


def test_the_older_of_two_producers_is_fenced_and_can_take_over_again(
    cluster: Cluster, producer_of: Callable[..., TransactionalProducer], unique: str
) -> None:
    cluster.create_topics(unique)
    older, newer = producer_of(unique), producer_of(unique)
    with pytest.raises(ProducerFencedError) as fenced:
        older.commit([Write(unique, None, b"lost", [])])
    assert fenced.value.certain
    newer.commit([Write(unique, None, b"newer", [])])
    with pytest.raises(TransactionUnknownError):
        older.commit([Write(unique, None, b"lost", [])])
    older.open()
    older.commit([Write(unique, None, b"older", [])])
    assert values(cluster, unique) == [b"newer", b"older"]


def test_who_asks_is_told_where_its_records_are(
    cluster: Cluster, producer_of: Callable[..., TransactionalProducer], unique: str
) -> None:
    cluster.create_topics(unique)
    told: list[Message] = []
    producer = producer_of(unique, on_delivered=told.append)
    producer.commit([Write(unique, None, b"a", []), Write(unique, None, b"b", [])])
    assert [(each.topic(), each.offset()) for each in told] == [(unique, 0), (unique, 1)]
