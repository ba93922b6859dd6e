"""What a client sees when an answer does not come, for real: the broker has done it, and the client does not know."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from streamwarden_devstack.proxy import Api
from support.kafka_tools import WAIT_S, Cluster

if TYPE_CHECKING:
    from support.brokers import ProxiedBroker

SHORT_S = 1.0
"""Less than librdkafka waits for an answer before it asks again."""


@pytest.fixture
def cluster(proxied: ProxiedBroker) -> Cluster:
    return Cluster(proxied.operator.librdkafka())


def begun(proxied: ProxiedBroker, topic: str, value: bytes, **settings: Any) -> Producer:
    """A producer with a record in an open transaction."""
    producer = Producer({**proxied.operator.librdkafka(), "transactional.id": topic, "log_level": 0, **settings})
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    producer.produce(topic, value)
    producer.flush(WAIT_S)
    return producer


def values(cluster: Cluster, topic: str) -> list[bytes | None]:
    return [record.value() for record in cluster.read_all(topic)]


def test_a_commit_whose_answer_is_swallowed_times_out_though_its_records_are_there(
    proxied: ProxiedBroker, cluster: Cluster, unique: str
) -> None:
    cluster.create_topics(unique)
    producer = begun(proxied, unique, b"committed")
    swallowed = proxied.proxy.swallow(Api.END_TXN)

    with pytest.raises(KafkaException) as unknown:
        producer.commit_transaction(SHORT_S)
    swallowed.wait_answered(WAIT_S)

    assert unknown.value.args[0].code() == KafkaError._TIMED_OUT
    assert unknown.value.args[0].retriable()
    assert values(cluster, unique) == [b"committed"]


def test_a_commit_whose_connection_is_cut_is_asked_for_again_and_commits_once(
    proxied: ProxiedBroker, cluster: Cluster, unique: str
) -> None:
    cluster.create_topics(unique)
    producer = begun(proxied, unique, b"once")
    cut = proxied.proxy.cut(Api.END_TXN)

    producer.commit_transaction(WAIT_S)

    cut.wait_answered(0)
    assert values(cluster, unique) == [b"once"]


def test_a_commit_whose_answer_is_held_returns_when_it_is_released(
    proxied: ProxiedBroker, cluster: Cluster, unique: str
) -> None:
    cluster.create_topics(unique)
    producer = begun(proxied, unique, b"late")
    held = proxied.proxy.hold(Api.END_TXN)
    committing = threading.Thread(target=producer.commit_transaction, args=(WAIT_S,))
    committing.start()
    held.wait_answered(WAIT_S)

    assert values(cluster, unique) == [b"late"]
    assert committing.is_alive()
    held.release()
    committing.join(WAIT_S)
    assert not committing.is_alive()


def test_a_cut_answer_to_an_idempotent_produce_writes_the_record_once(
    proxied: ProxiedBroker, cluster: Cluster, unique: str
) -> None:
    cluster.create_topics(unique)
    cut = proxied.proxy.cut(Api.PRODUCE)
    answers: list[KafkaError | None] = []
    producer = Producer({**proxied.operator.librdkafka(), "enable.idempotence": True, "log_level": 0})
    producer.produce(unique, b"once", on_delivery=lambda error, _: answers.append(error))
    producer.flush(WAIT_S)

    cut.wait_answered(0)
    assert answers == [None]
    assert values(cluster, unique) == [b"once"]


def test_offsets_whose_answer_is_cut_in_a_transaction_are_committed_with_it(
    proxied: ProxiedBroker, cluster: Cluster, unique: str
) -> None:
    cluster.create_topics(unique)
    producer = begun(proxied, unique, b"v")
    cut = proxied.proxy.cut(Api.TXN_OFFSET_COMMIT)
    reader = Consumer({**proxied.operator.librdkafka(), "group.id": unique})
    producer.send_offsets_to_transaction([TopicPartition(unique, 0, 7)], reader.consumer_group_metadata(), WAIT_S)
    producer.commit_transaction(WAIT_S)
    reader.close()

    cut.wait_answered(0)
    assert cluster.committed(unique, unique) == {0: 7}
