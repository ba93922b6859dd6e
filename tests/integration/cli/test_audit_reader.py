"""What an auditor's principal reads of topics and groups, and what it is told where it may not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicCollection, TopicPartition
from streamwarden_cli.audit import reader as reading
from streamwarden_cli.audit.reader import AuditReader
from streamwarden_cli.audit.source import AbsentError, AuditReadError, Committed, ForbiddenError, Log
from streamwarden_kafka.connection import Connection
from support.bombs import deadly_batch
from support.gate_world import eventually
from support.kafka_tools import WAIT_S, Cluster, Right
from support.raw_records import RawWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.brokers import Broker


@pytest.fixture
def cluster(broker: Broker) -> Cluster:
    return Cluster(broker.operator.librdkafka())


@pytest.fixture
def group(unique: str) -> str:
    return f"{unique}.guard.gate"


@pytest.fixture
def topic(cluster: Cluster, unique: str) -> str:
    """Two partitions: five records with an aborted transaction and markers between them, and none."""
    name = f"{unique}.audit"
    cluster.create_topics(name, partitions=2)
    producer = Producer({**cluster.properties, "transactional.id": unique})
    producer.init_transactions(WAIT_S)
    for number, commits in enumerate((True, False, True)):
        producer.begin_transaction()
        for ordinal in range(2):
            producer.produce(name, f"{number}.{ordinal}".encode(), b"key", partition=0)
        if commits:
            producer.commit_transaction(WAIT_S)
        else:
            producer.flush(WAIT_S)
            producer.abort_transaction(WAIT_S)
    return name


def open_reader(cluster: Cluster, user: str, *rights: Right) -> AuditReader:
    return AuditReader(Connection.of(cluster.create_user(user, rights)))


@pytest.fixture
def reader(cluster: Cluster, topic: str, group: str, unique: str) -> Iterator[AuditReader]:
    """May read the topic and ask for the group's offsets, and nothing else: no group of its own."""
    made = open_reader(cluster, unique, Right("READ", "TOPIC", topic), Right("DESCRIBE", "GROUP", group))
    yield made
    made.close()


def test_what_is_committed_is_read_to_the_ends_that_topics_have(reader: AuditReader, topic: str) -> None:
    logs = reader.logs(topic)
    read = [record for records in reader.read(topic, logs) for record in records]
    assert logs == [Log(0, 0, 9), Log(1, 0, 0)]
    assert [(each.partition, each.offset, each.key, each.value) for each in read] == [
        (0, 0, b"key", b"0.0"),
        (0, 1, b"key", b"0.1"),
        (0, 6, b"key", b"2.0"),
        (0, 7, b"key", b"2.1"),
    ]


def test_a_part_of_a_partition_is_read_alone(reader: AuditReader, topic: str) -> None:
    read = [record for records in reader.read(topic, [Log(0, 1, 7)]) for record in records]
    assert [each.offset for each in read] == [1, 6]


@pytest.fixture
def decisions(cluster: Cluster, unique: str) -> str:
    """Two records with a batch between them that ends who decodes it."""
    name = f"{unique}.decisions"
    cluster.create_topics(name, partitions=1)
    writer = cluster.create_user(f"{unique}-writer", [Right("WRITE", "TOPIC", name)])
    cluster.produce(name, [(b"key", b"before", [])])
    with RawWriter(writer) as raw:
        assert raw.write(name, 0, deadly_batch()).code == 0
    cluster.produce(name, [(b"key", b"after", [])])
    return name


@pytest.mark.parametrize("broker", [pytest.param("apache", marks=pytest.mark.broker)], indirect=True)
def test_x07_a_batch_that_ends_who_decodes_it_ends_no_verification(
    cluster: Cluster, decisions: str, unique: str
) -> None:
    """Where a gate has passed over it, all else is read; where none has, the place is told."""
    reader = open_reader(cluster, unique, Right("READ", "TOPIC", decisions))
    passed_over = [Log(0, 0, 3, skipped=((1, 1),))]
    read = [record for records in reader.read(decisions, passed_over, of_agents=True) for record in records]
    assert [(each.offset, each.value) for each in read] == [(0, b"before"), (2, b"after")]
    with pytest.raises(AuditReadError, match=rf"^{re.escape(decisions)}\[0\] @1: a batch that ends who decodes it"):
        list(reader.read(decisions, reader.logs(decisions), of_agents=True))
    reader.close()


def test_what_a_group_has_committed_is_told_with_its_metadata(
    reader: AuditReader, cluster: Cluster, topic: str, group: str
) -> None:
    consumer = Consumer({**cluster.properties, "group.id": group, "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition(topic, 0, 7, "metadata")], asynchronous=False)
    consumer.close()
    assert reader.committed(group, topic, [0, 1]) == {0: Committed(7, "metadata")}


def test_a_group_that_is_not_there_has_committed_nothing(reader: AuditReader, topic: str, group: str) -> None:
    assert reader.committed(group, topic, [1]) == {}


def test_a_topic_s_id_is_told(reader: AuditReader, cluster: Cluster, topic: str) -> None:
    described = cluster.admin.describe_topics(TopicCollection([topic]))[topic].result(WAIT_S)
    assert reader.topic_id(topic) == str(described.topic_id)


def test_only_topics_that_one_may_describe_are_listed(reader: AuditReader, cluster: Cluster, topic: str) -> None:
    cluster.create_topics(f"{topic}.other")
    assert dict(reader.topics()) == {topic: [0, 1]}


def test_a_group_that_one_may_not_describe_is_forbidden(reader: AuditReader, topic: str) -> None:
    with pytest.raises(ForbiddenError, match="the group another: GROUP_AUTHORIZATION_FAILED"):
        reader.committed("another", topic, [0])


def test_a_topic_that_one_may_not_describe_is_forbidden_and_one_that_is_not_there_absent(
    reader: AuditReader, cluster: Cluster, topic: str
) -> None:
    hidden = f"{topic}.hidden"
    cluster.create_topics(hidden)
    with pytest.raises(ForbiddenError, match=f"{hidden}: TOPIC_AUTHORIZATION_FAILED"):
        reader.logs(hidden)
    operator = AuditReader(Connection.of(cluster.properties))
    with pytest.raises(AbsentError, match=f"{topic}.nowhere: UNKNOWN_TOPIC_OR_PART"):
        operator.logs(f"{topic}.nowhere")
    operator.close()


def test_a_topic_that_one_may_only_describe_is_not_read(cluster: Cluster, topic: str, unique: str) -> None:
    reader = open_reader(cluster, f"{unique}-half", Right("DESCRIBE", "TOPIC", topic))
    logs = reader.logs(topic)
    with pytest.raises(ForbiddenError, match=f"{topic}: TOPIC_AUTHORIZATION_FAILED"):
        list(reader.read(topic, logs))
    reader.close()


def test_who_has_a_wrong_password_is_told_that_kafka_does_not_take_it(
    cluster: Cluster, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_TIMEOUT_S", 2.0)
    user = Connection.of(cluster.create_user(unique, [Right("READ", "TOPIC", unique)]))
    reader = AuditReader(user.as_user(unique, "not-it"))

    def is_told() -> bool:
        with pytest.raises(AuditReadError) as told:
            reader.topics()
        said = str(told.value)
        assert "not-it" not in said
        return said.startswith("list the topics: Kafka does not answer: ") and "uthentication" in said

    try:
        eventually(is_told, "that Kafka does not take the password")
    finally:
        reader.close()
