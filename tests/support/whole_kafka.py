"""All that a Kafka and a registry hold, as one mapping: equal before and after, and nobody's things were touched."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, cast

import httpx
from aiokafka.protocol.admin import DescribeClientQuotasRequest
from confluent_kafka import TopicCollection
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
from streamwarden_kafka.wire.groups import GroupOffsets
from streamwarden_kafka.wire.quotas import alter_user_quotas
from streamwarden_operator.backends import Backends, connect
from streamwarden_operator.write_guard import always
from support.kafka_tools import WAIT_S, Cluster, Right
from support.operator_harness import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streamwarden_operator.settings import OperatorSettings
    from streamwarden_operator.write_guard import WriteGuard
    from support.installations import Dump
    from support.stack_fixture import RunningStack

_ALL_ACLS = cast("Any", AclBindingFilter)(
    ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
)
_CONFIG = {"retention.ms": "-1", "max.message.bytes": "70000"}
_Found = tuple[tuple[str, str], object]


class RealKafka:
    """A started Kafka with its registry, as a super user; implements ``installations.SharedKafka``."""

    def __init__(self, stack: RunningStack) -> None:
        self._connection = stack.operator
        self._cluster = Cluster(stack.operator_properties)
        self._registry_url = stack.registry_url

    @property
    def bootstrap_servers(self) -> str:
        return self._connection.bootstrap_servers

    def connect(self, settings: OperatorSettings, guard: WriteGuard) -> Backends:
        return connect(self._connection, self._registry_url, settings, guard=guard)

    async def make(self, strangers: Mapping[str, str]) -> dict[str, str]:
        passwords = await asyncio.to_thread(self._make, strangers)
        backends = self.connect(SETTINGS, always)
        async with self._wire() as wire:
            for number, (user, topic) in enumerate(strangers.items()):
                await alter_user_quotas(wire, user, {"producer_byte_rate": 100_000.0 + number})
                await backends.offsets.commit(_group_of(user), topic, {0: (1, "their own")})
        for close in backends.closing:
            await close()
        return passwords

    async def dump(self) -> Dump:
        """Return everything that there is now."""
        found = dict(await asyncio.to_thread(self._all_but_groups_and_quotas))
        async with self._wire() as wire:
            broker = await wire.any_broker()
            quotas = await broker.ask(DescribeClientQuotasRequest([], strict=False))
            assert quotas.error_code == 0
            names = await asyncio.to_thread(self._groups)
            committed = await GroupOffsets(wire).positions(dict.fromkeys(names, self._partitions()))
        for entity, values in quotas.entries or ():
            found["quota", " ".join(f"{kind}={name}" for kind, name in sorted(entity))] = sorted(values)
        for group, places in committed.items():
            assert not isinstance(places, Exception), places
            if own := {at: position for at, position in places.items() if position[0] is not None}:
                found["group", group] = own
        return found

    def _make(self, strangers: Mapping[str, str]) -> dict[str, str]:
        self._cluster.create_topics(*strangers.values(), partitions=2, config=_CONFIG)
        passwords = {}
        for number, (user, topic) in enumerate(strangers.items()):
            records = [(b"k", f"{topic}/{record}".encode(), [("h", b"v")]) for record in range(3)]
            self._cluster.produce(topic, records)
            rights = [Right("READ", "TOPIC", topic), Right("READ", "GROUP", _group_of(user))]
            passwords[user] = self._cluster.create_user(user, rights)["sasl.password"]
            # Without properties Apicurio finds no JSON Schema in it, whatever its type is said to be.
            definition = f'{{"type": "object", "title": "{number}", "properties": {{}}}}'
            with self._registry() as client:
                schema = {"schemaType": "JSON", "schema": definition}
                client.post(f"subjects/{topic}-value/versions", json=schema).raise_for_status()
                client.put(f"config/{topic}-value", json={"compatibility": "FULL"}).raise_for_status()
        return passwords

    def _all_but_groups_and_quotas(self) -> list[_Found]:
        return [*self._topics(), *self._users(), *self._subjects()]

    def _topics(self) -> Iterator[_Found]:
        admin = self._cluster.admin
        names = sorted({name for name, _ in self._partitions()})
        if not names:
            return
        described = admin.describe_topics(TopicCollection(names))
        configs = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
        own = {asked.name: _own_config(future.result(WAIT_S)) for asked, future in configs.items()}
        with self._cluster.follow(*names) as followed:
            records = followed.read()
        for name in names:
            topic = described[name].result(WAIT_S)
            layout = [(part.id, [node.id for node in part.replicas]) for part in topic.partitions]
            yield ("topic", name), (str(topic.topic_id), layout, own[name], _hash_of(records[name]))

    def _users(self) -> Iterator[_Found]:
        admin = self._cluster.admin
        for user, found in admin.describe_user_scram_credentials().result(WAIT_S).items():
            yield (
                ("user", user),
                sorted((each.mechanism.name, each.iterations) for each in found.scram_credential_infos),
            )
        for acl in admin.describe_acls(_ALL_ACLS).result(WAIT_S):
            what = (acl.restype.name, acl.name, acl.resource_pattern_type.name, acl.host, acl.permission_type.name)
            yield ("acl", f"{acl.principal} {acl.operation.name} {what}"), True

    def _subjects(self) -> Iterator[_Found]:
        with self._registry() as client:
            for subject in client.get("subjects").raise_for_status().json():
                versions = client.get(f"subjects/{subject}/versions").raise_for_status().json()
                texts = [client.get(f"subjects/{subject}/versions/{each}").raise_for_status().text for each in versions]
                level = client.get(f"config/{subject}")
                yield ("subject", subject), (texts, level.status_code, level.text)

    def _partitions(self) -> list[tuple[str, int]]:
        """Return those of all topics but Kafka's own."""
        topics = self._cluster.admin.list_topics(timeout=WAIT_S).topics
        return [
            (name, part) for name in topics if not name.startswith("__") for part in sorted(topics[name].partitions)
        ]

    def _groups(self) -> list[str]:
        """Return those of all brokers: each knows of the ones that it coordinates."""
        found = self._cluster.admin.list_consumer_groups().result(WAIT_S)
        assert found.errors == []
        return sorted(each.group_id for each in found.valid)

    def _registry(self) -> httpx.Client:
        return httpx.Client(base_url=self._registry_url.rstrip("/") + "/", timeout=WAIT_S)

    def _wire(self) -> Wire:
        return Wire(self._connection, "streamwarden-test-dump", timeout_s=WAIT_S)


def _group_of(user: str) -> str:
    return f"{user}.theirs"


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
