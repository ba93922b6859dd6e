"""All that a Kafka and a registry hold, as one mapping: equal before and after, and nobody's things were touched."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, cast

import httpx
from aiokafka.protocol.admin import DescribeClientQuotasRequest
from confluent_kafka import TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs leave its names out
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ConfigResource,
    ConfigSource,
    ResourcePatternType,
    ResourceType,
)
from streamwarden_kafka.wire.connections import Wire
from streamwarden_kafka.wire.quotas import alter_user_quotas
from streamwarden_operator.backends import Backends, connect
from support.kafka_tools import WAIT_S, Cluster, Right

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamwarden_operator.settings import OperatorSettings
    from streamwarden_operator.write_guard import WriteGuard
    from support.installations import Dump
    from support.stack_fixture import OwnStack

_ALL_ACLS = cast("Any", AclBindingFilter)(
    ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
)


class RealKafka:
    """A started Kafka with its registry, as a super user; implements ``installations.SharedKafka``."""

    def __init__(self, stack: OwnStack) -> None:
        self._stack = stack
        self._connection = stack.operator
        self._cluster = Cluster(stack.operator_properties)
        self._registry_url = stack.registry_url

    @property
    def bootstrap_servers(self) -> str:
        return self._stack.bootstrap_servers

    def connect(self, settings: OperatorSettings, guard: WriteGuard) -> Backends:
        return connect(self._connection, self._registry_url, settings, guard=guard)

    async def make(self, user: str, topic: str, number: int) -> str:
        config = {"retention.ms": "-1", "max.message.bytes": "70000"}
        self._cluster.create_topics(topic, partitions=2, config=config)
        self._cluster.produce(topic, [(b"k", f"{topic}/{record}".encode(), [("h", b"v")]) for record in range(3)])
        rights = [Right("READ", "TOPIC", topic), Right("READ", "GROUP", f"{user}.theirs")]
        password = self._cluster.create_user(user, rights)["sasl.password"]
        wire = Wire(self._connection, "streamwarden-test-strangers", timeout_s=WAIT_S)
        try:
            await alter_user_quotas(wire, user, {"producer_byte_rate": 100_000.0 + number})
        finally:
            await wire.close()
        self._cluster.commit(f"{user}.theirs", [TopicPartition(topic, 0, 1, "their own")])
        # Apicurio knows a JSON Schema by its properties.
        definition = f'{{"type": "object", "title": "{number}", "properties": {{}}}}'
        schema = {"schemaType": "JSON", "schema": definition}
        with self._registry() as client:
            client.post(f"subjects/{topic}-value/versions", json=schema).raise_for_status()
            client.put(f"config/{topic}-value", json={"compatibility": "FULL"}).raise_for_status()
        return password

    async def dump(self) -> Dump:
        """Return everything that there is now."""
        found = dict(self._of_topics()) | dict(self._of_users()) | dict(self._of_groups()) | dict(self._of_subjects())
        return found | {("quota", name): values async for name, values in self._quotas()}

    def _of_topics(self) -> Iterator[tuple[tuple[str, str], object]]:
        admin = self._cluster.admin
        names = sorted(name for name in admin.list_topics(timeout=WAIT_S).topics if not name.startswith("__"))
        described = admin.describe_topics(TopicCollection(names))
        configs = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
        own = {asked.name: _own_config(future.result(WAIT_S)) for asked, future in configs.items()}
        with self._cluster.follow(*names) as followed:
            records = followed.read()
        for name in names:
            topic = described[name].result(WAIT_S)
            layout = [(part.id, [node.id for node in part.replicas]) for part in topic.partitions]
            yield ("topic", name), (str(topic.topic_id), layout, own[name], _hash_of(records[name]))

    def _of_users(self) -> Iterator[tuple[tuple[str, str], object]]:
        admin = self._cluster.admin
        for user, found in admin.describe_user_scram_credentials().result(WAIT_S).items():
            infos = [(each.mechanism.name, each.iterations) for each in found.scram_credential_infos]
            yield ("user", user), infos
        for acl in admin.describe_acls(_ALL_ACLS).result(WAIT_S):
            what = (acl.restype.name, acl.name, acl.resource_pattern_type.name, acl.host, acl.permission_type.name)
            yield ("acl", f"{acl.principal} {acl.operation.name} {what}"), True

    def _of_groups(self) -> Iterator[tuple[tuple[str, str], object]]:
        topics = self._cluster.admin.list_topics(timeout=WAIT_S).topics
        places = [(name, number) for name in sorted(topics) for number in sorted(topics[name].partitions)]
        for listed in self._cluster.admin.list_consumer_groups().result(WAIT_S).valid:
            consumer = self._cluster._consumer(listed.group_id)
            asked = [TopicPartition(*place) for place in places if not place[0].startswith("__")]
            found = [each for each in consumer.committed(asked, timeout=WAIT_S) if each.offset >= 0]
            consumer.close()
            if found:
                yield (
                    ("group", listed.group_id),
                    [(each.topic, each.partition, each.offset, each.metadata) for each in found],
                )

    async def _quotas(self) -> Any:
        wire = Wire(self._connection, "streamwarden-test-quotas", timeout_s=WAIT_S)
        try:
            answer = await (await wire.any_broker()).ask(DescribeClientQuotasRequest([], strict=False))
        finally:
            await wire.close()
        assert answer.error_code == 0
        for entity, values in answer.entries or ():
            yield " ".join(f"{kind}={name}" for kind, name in sorted(entity)), sorted(values)

    def _of_subjects(self) -> Iterator[tuple[tuple[str, str], object]]:
        with self._registry() as client:
            for subject in client.get("subjects").raise_for_status().json():
                versions = client.get(f"subjects/{subject}/versions").raise_for_status().json()
                texts = [client.get(f"subjects/{subject}/versions/{each}").raise_for_status().text for each in versions]
                level = client.get(f"config/{subject}")
                yield ("subject", subject), (texts, level.status_code, level.text)

    def _registry(self) -> httpx.Client:
        return httpx.Client(base_url=self._registry_url.rstrip("/") + "/", timeout=WAIT_S)


def _own_config(entries: Any) -> dict[str, str]:
    return {
        key: entry.value
        for key, entry in sorted(entries.items())
        if ConfigSource(entry.source) is ConfigSource.DYNAMIC_TOPIC_CONFIG
    }


def _hash_of(records: Sequence[Any]) -> str:
    """Return a hash of all records with their places, times and headers."""
    found = sorted(
        (each.partition(), each.offset(), each.timestamp(), each.key(), each.value(), each.headers())
        for each in records
    )
    return f"{len(found)} records, {hashlib.sha256(repr(found).encode()).hexdigest()}"
