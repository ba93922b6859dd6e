"""What Streamwarden counts on in a Kafka, on two implementations: franz-go's ``kfake`` and Apache Kafka."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from support.kafka_tools import WAIT_S, Cluster, Right

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from support.brokers import Broker


@pytest.fixture
def cluster(broker: Broker) -> Cluster:
    return Cluster(broker.properties)


@contextlib.contextmanager
def consumer_of(cluster: Cluster, group: str, **settings: Any) -> Iterator[Consumer]:
    """A read_committed consumer with these settings, their dots as underscores."""
    own = {name: value for name, value in cluster.properties.items() if name != "partitioner"}
    own |= {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": "false"}
    consumer = Consumer(own | {name.replace("_", "."): value for name, value in settings.items()})
    try:
        yield consumer
    finally:
        consumer.close()


def transactional(properties: Mapping[str, str], transactional_id: str) -> Producer:
    producer = Producer({**properties, "transactional.id": transactional_id})
    producer.init_transactions(WAIT_S)
    return producer


def write(properties: Mapping[str, str], topic: str) -> KafkaError | None:
    """Produce one record and give the broker's answer: ``None`` when it was taken."""
    answers: list[KafkaError | None] = []
    producer = Producer({**properties, "message.timeout.ms": "15000"})
    producer.produce(topic, b"v", on_delivery=lambda error, _: answers.append(error))
    producer.flush(WAIT_S)
    (answer,) = answers
    return answer


def poll_until(holds: Callable[[], bool], *consumers: Consumer) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        for consumer in consumers:
            consumer.poll(0.1)


def test_committed_transactions_are_read_and_aborted_ones_are_not(cluster: Cluster, unique: str) -> None:
    cluster.create_topics(unique)
    producer = transactional(cluster.properties, unique)
    for value, ending in (
        (b"kept", producer.commit_transaction),
        (b"dropped", producer.abort_transaction),
        (b"kept too", producer.commit_transaction),
    ):
        producer.begin_transaction()
        producer.produce(unique, value)
        producer.flush(WAIT_S)
        ending(WAIT_S)

    assert [record.value() for record in cluster.read_all(unique)] == [b"kept", b"kept too"]


def test_an_open_transaction_is_not_read_until_it_commits(cluster: Cluster, unique: str) -> None:
    cluster.create_topics(unique)
    producer = transactional(cluster.properties, unique)
    producer.begin_transaction()
    producer.produce(unique, b"waits")
    producer.flush(WAIT_S)
    cluster.produce(unique, [(None, b"after it", [])])

    with consumer_of(cluster, unique, enable_partition_eof="true") as reader:
        reader.assign([TopicPartition(unique, 0, 0)])
        first = reader.poll(WAIT_S)
        assert first is not None
        error = first.error()
        assert error is not None
        assert (error.code(), first.offset()) == (KafkaError._PARTITION_EOF, 0)
    producer.commit_transaction(WAIT_S)

    assert [record.value() for record in cluster.read_all(unique)] == [b"waits", b"after it"]


def test_the_end_of_a_partition_is_behind_the_markers_and_committing_it_leaves_no_lag(
    cluster: Cluster, unique: str
) -> None:
    cluster.create_topics(unique)
    for number in range(3):
        cluster.produce(unique, [(None, b"v", [])], transactional_id=f"{unique}.{number}")

    with consumer_of(cluster, unique, enable_partition_eof="true") as reader:
        reader.assign([TopicPartition(unique, 0, 0)])
        messages = [reader.poll(WAIT_S) for _ in range(4)]
        (position,) = reader.position([TopicPartition(unique, 0)])
        reader.commit(offsets=[TopicPartition(unique, 0, position.offset)], asynchronous=False)

    offsets = [(message.error() is None, message.offset()) for message in messages if message is not None]
    assert offsets == [(True, 0), (True, 2), (True, 4), (False, 6)]
    assert cluster.committed(unique, unique) == cluster.end_offsets(unique) == {0: 6}


def test_a_transaction_commits_offsets_with_their_metadata_and_an_aborted_one_does_not(
    cluster: Cluster, unique: str
) -> None:
    cluster.create_topics(unique)
    cluster.produce(unique, [(None, b"v", [])] * 3)
    producer = transactional(cluster.properties, unique)
    with consumer_of(cluster, unique) as reader:
        reader.assign([TopicPartition(unique, 0, 0)])
        assert reader.poll(WAIT_S) is not None
        for offset, metadata, ending in (
            (1, "head-of-the-chain", producer.commit_transaction),
            (2, "never", producer.abort_transaction),
        ):
            producer.begin_transaction()
            place = TopicPartition(unique, 0, offset, metadata=metadata)
            producer.send_offsets_to_transaction([place], reader.consumer_group_metadata(), WAIT_S)
            ending(WAIT_S)

    assert [(place.offset, place.metadata) for place in cluster.places(unique, unique)] == [(1, "head-of-the-chain")]


def test_a_second_producer_of_a_transactional_id_fences_the_first_and_aborts_what_it_had_open(
    cluster: Cluster, unique: str
) -> None:
    cluster.create_topics(unique)
    first = transactional(cluster.properties, unique)
    first.begin_transaction()
    first.produce(unique, b"open")
    first.flush(WAIT_S)

    second = transactional(cluster.properties, unique)
    with pytest.raises(KafkaException) as refused:
        first.commit_transaction(WAIT_S)
    second.begin_transaction()
    second.produce(unique, b"mine")
    second.flush(WAIT_S)
    second.commit_transaction(WAIT_S)

    assert refused.value.args[0].fatal()
    assert refused.value.args[0].code() == KafkaError._FENCED
    assert [record.value() for record in cluster.read_all(unique)] == [b"mine"]


def test_a_classic_group_shares_partitions_and_the_one_that_stays_takes_all(cluster: Cluster, unique: str) -> None:
    cluster.create_topics(unique, partitions=4)

    def partitions(consumer: Consumer) -> set[int]:
        return {each.partition for each in consumer.assignment()}

    with consumer_of(cluster, unique) as stays:
        stays.subscribe([unique])
        poll_until(lambda: partitions(stays) == {0, 1, 2, 3}, stays)
        with consumer_of(cluster, unique) as leaves:
            leaves.subscribe([unique])
            poll_until(lambda: len(partitions(stays)) == len(partitions(leaves)) == 2, stays, leaves)
            assert partitions(stays) | partitions(leaves) == {0, 1, 2, 3}
        poll_until(lambda: partitions(stays) == {0, 1, 2, 3}, stays)


def test_a_user_writes_where_an_acl_allows_it_and_nowhere_else(cluster: Cluster, unique: str) -> None:
    mine, other = f"{unique}.mine", f"{unique}.other"
    cluster.create_topics(mine, other)
    user = cluster.create_user(unique, [Right("WRITE", "TOPIC", mine)])

    refused = write(user, other)

    assert write(user, mine) is None
    assert refused is not None
    assert refused.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert cluster.end_offsets(other) == {0: 0}


def test_a_user_without_the_right_to_a_transactional_id_cannot_fence_its_owner(cluster: Cluster, unique: str) -> None:
    stranger = cluster.create_user(unique, [Right("WRITE", "TRANSACTIONAL_ID", f"{unique}.own")])

    with pytest.raises(KafkaException) as refused:
        transactional(stranger, f"{unique}.anothers")

    assert refused.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
