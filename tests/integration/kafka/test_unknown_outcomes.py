"""What a client sees when an answer does not come, for real: the broker has done it, and the client does not know."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from streamwarden_devstack.proxy import Api
from support.agent_process import wait_for
from support.kafka_tools import WAIT_S, Cluster

if TYPE_CHECKING:
    from streamwarden_devstack.proxy import Fault
    from support.brokers import ProxiedBroker

SHORT_S = 1.0
"""Less than librdkafka waits for an answer before it asks again."""


@pytest.fixture
def cluster(proxied: ProxiedBroker) -> Cluster:
    return Cluster(proxied.operator.librdkafka())


def begun(proxied: ProxiedBroker, topic: str, *records: bytes, **settings: Any) -> Producer:
    """A producer with these records in an open transaction."""
    producer = Producer({**proxied.operator.librdkafka(), "transactional.id": topic, "log_level": 0, **settings})
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    for record in records:
        producer.produce(topic, record)
    producer.flush(WAIT_S)
    return producer


def refuse_one(
    proxied: ProxiedBroker, cluster: Cluster, producer: Producer, topic: str, refusals: list[KafkaError | None]
) -> Fault:
    """Let the broker refuse a record, on a topic that is made for it; the producer does not know until the release."""
    cluster.create_topics(topic, config={"max.message.bytes": "1000"})
    held = proxied.proxy.hold(Api.PRODUCE)
    producer.produce(topic, b"x" * 5_000, on_delivery=lambda error, _: refusals.append(error))
    producer.poll(0)
    held.wait_answered(WAIT_S)
    return held


def end_of(cluster: Cluster, topic: str) -> int:
    return cluster.end_offsets(topic, committed=False)[0]


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


def test_an_idempotent_producer_that_is_refused_another_record_writes_one_of_unknown_outcome_twice(
    proxied: ProxiedBroker, cluster: Cluster, unique: str
) -> None:
    """librdkafka goes on under a new epoch of its producer, which does not tell what was sent under the old one.

    So it does when a broker comes back, and leads a partition again after one of its requests and before another.
    """
    producer = Producer({**proxied.operator.librdkafka(), "enable.idempotence": True, "log_level": 0})
    cluster.create_topics(unique)
    producer.produce(unique, b"known")  # now it knows where the topic is: to ask would be to wait for what is held
    assert producer.flush(WAIT_S) == 0
    refusals: list[KafkaError | None] = []
    held = refuse_one(proxied, cluster, producer, f"{unique}.narrow", refusals)
    cut = proxied.proxy.cut(Api.PRODUCE)
    producer.produce(unique, b"unknown")
    wait_for(lambda: end_of(cluster, unique) == 2)
    held.release()
    assert producer.flush(WAIT_S) == 0

    cut.wait_answered(0)
    assert [error and error.code() for error in refusals] == [KafkaError.MSG_SIZE_TOO_LARGE]
    assert values(cluster, unique) == [b"known", b"unknown", b"unknown"]


def test_a_transaction_that_is_refused_another_record_loses_what_is_of_unknown_outcome_and_its_repetition_has_it_once(
    proxied: ProxiedBroker, cluster: Cluster, unique: str
) -> None:
    cluster.create_topics(unique)
    producer = begun(proxied, unique, b"known")
    refusals: list[KafkaError | None] = []
    held = refuse_one(proxied, cluster, producer, f"{unique}.narrow", refusals)
    cut = proxied.proxy.cut(Api.PRODUCE)
    producer.produce(unique, b"unknown")
    wait_for(lambda: end_of(cluster, unique) == 2)
    held.release()
    cut.wait_answered(WAIT_S)
    wait_for(
        lambda: [producer.poll(0.1)] and refusals
    )  # a commit that begins before it knows waits in vain, and times out

    with pytest.raises(KafkaException) as refused:
        producer.commit_transaction(WAIT_S)

    assert refused.value.args[0].txn_requires_abort()
    again = begun(proxied, unique, b"known", b"unknown")
    again.commit_transaction(WAIT_S)
    assert values(cluster, unique) == [b"known", b"unknown"]


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
