"""Kafka clients with an agent's credentials, for every way round its gate."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs do not export them
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from streamwarden_kafka.clients import COORDINATOR_TIMEOUT_S, open_admin, open_consumer, open_producer
from streamwarden_kafka.codes import END_OF_PARTITION, FORBIDDEN
from streamwarden_kafka.logs import ClientLog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from streamwarden_kafka.connection import Connection

T = TypeVar("T")

_TIMEOUT_S = 15.0


class Intruder:
    """Kafka clients with an agent's credentials. Every method raises ``KafkaException`` or ``TimeoutError``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._log = ClientLog("bypass", quiet=True)
        # One for all: librdkafka drops the requests of a client that is garbage.
        self._admin = open_admin(connection, self._log)

    def write(self, topic: str) -> None:
        """Write one record."""
        producer = open_producer(self._connection, self._log, {"message.timeout.ms": int(_TIMEOUT_S * 1000)})
        errors: list[KafkaError | None] = []
        producer.produce(topic, b"{}", key=b"bypass", on_delivery=lambda error, _: errors.append(error))
        if producer.flush(_TIMEOUT_S + 1) or not errors:
            raise TimeoutError
        if errors[0] is not None:
            raise KafkaException(errors[0])

    def read(self, topic: str, group: str) -> None:
        """Read a partition from its beginning, without joining a group."""
        consumer = self._consumer(group)
        try:
            # Of a topic that it cannot even describe, librdkafka's fetcher says nothing: the metadata does.
            described = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
            if described.error is not None:
                raise KafkaException(described.error)
            consumer.assign([TopicPartition(topic, 0, 0)])
            _until_answer(consumer)
        finally:
            consumer.close()

    def join(self, group: str, topic: str) -> None:
        """Become a member of a group."""
        consumer = self._consumer(group)
        try:
            consumer.subscribe([topic])
            _until_answer(consumer)
        finally:
            consumer.close()

    def commit(self, group: str, topic: str) -> None:
        """Commit an offset for a group from outside."""
        request = [ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 0)])]
        answer = _settle(self._admin.alter_consumer_group_offsets(request, request_timeout=COORDINATOR_TIMEOUT_S))
        for position in answer.topic_partitions or ():
            if position.error is not None:
                raise KafkaException(position.error)

    def commit_in_transaction(self, transactional_id: str, group: str, topic: str) -> None:
        """Commit an offset for a group inside a transaction."""
        producer = self._transactional(transactional_id)
        producer.init_transactions(_TIMEOUT_S)
        producer.begin_transaction()
        consumer = self._consumer(group)
        try:
            producer.send_offsets_to_transaction(
                [TopicPartition(topic, 0, 0)], consumer.consumer_group_metadata(), _TIMEOUT_S
            )
        finally:
            consumer.close()
        producer.commit_transaction(_TIMEOUT_S)

    def delete_group(self, group: str) -> None:
        """Delete a group with its offsets."""
        _settle(self._admin.delete_consumer_groups([group], request_timeout=COORDINATOR_TIMEOUT_S))

    def fence(self, transactional_id: str) -> None:
        """Begin as the owner of a transactional id, which fences who owned it."""
        self._transactional(transactional_id).init_transactions(_TIMEOUT_S)

    def add_acl(self, user: str) -> None:
        """Allow a user everything on every topic."""
        acl = AclBinding(
            ResourceType.TOPIC,
            "*",
            ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            AclOperation.ALL,
            AclPermissionType.ALLOW,
        )
        _settle(self._admin.create_acls([acl], request_timeout=_TIMEOUT_S))

    def drop_acls(self, user: str) -> None:
        """Delete all ACLs of a user."""
        _settle(self._admin.delete_acls([_acls_of(user)], request_timeout=_TIMEOUT_S))

    def set_password(self, user: str) -> None:
        """Give a user a password of one's choice."""
        chosen = UserScramCredentialUpsertion(user, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), b"chosen")
        _settle(self._admin.alter_user_scram_credentials([chosen], request_timeout=_TIMEOUT_S))

    def configure_broker(self) -> None:
        """Change a configuration of a broker."""
        broker = min(self._admin.list_topics(timeout=_TIMEOUT_S).brokers)
        self._configure(ConfigResource(ConfigResource.Type.BROKER, str(broker)), "log.cleaner.threads", "1")

    def configure_topic(self, topic: str) -> None:
        """Let a topic forget its records within a second."""
        self._configure(ConfigResource(ConfigResource.Type.TOPIC, topic), "retention.ms", "1000")

    def make_topic(self, topic: str) -> None:
        """Make a topic."""
        _settle(self._admin.create_topics([NewTopic(topic, 1)], request_timeout=_TIMEOUT_S))

    def add_partitions(self, topic: str) -> None:
        """Add partitions, so that keys move."""
        _settle(self._admin.create_partitions([NewPartitions(topic, 99)], request_timeout=_TIMEOUT_S))

    def delete_topic(self, topic: str) -> None:
        """Delete a topic."""
        _settle(self._admin.delete_topics([topic], request_timeout=_TIMEOUT_S))

    def _configure(self, resource: ConfigResource, name: str, value: str) -> None:
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource.add_incremental_config(entry)
        _settle(self._admin.incremental_alter_configs([resource], request_timeout=_TIMEOUT_S))

    def _consumer(self, group: str) -> Consumer:
        return open_consumer(self._connection, group, self._log, {"enable.partition.eof": True})

    def _transactional(self, transactional_id: str) -> Producer:
        return open_producer(self._connection, self._log, {"transactional.id": transactional_id})


def _acls_of(user: str) -> AclBindingFilter:
    anything: Any = None  # the stubs want strings, librdkafka takes None for any
    return AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        f"User:{user}",
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def _until_answer(consumer: Consumer) -> None:
    """Return on the first record or end of partition; raise what the broker refuses."""
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is None:
            continue
        error = message.error()
        if error is None or error.code() == END_OF_PARTITION:
            return
        if error.code() in FORBIDDEN or error.fatal():
            raise KafkaException(error)
    raise TimeoutError


def _settle(futures: Mapping[Any, Future[T]]) -> T:
    """Wait for the one future of a request."""
    (future,) = futures.values()
    return future.result(_TIMEOUT_S + 1)
