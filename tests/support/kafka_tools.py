"""What integration tests need of a real Kafka: topics, users with rights, records in and out."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs leave its names out
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from confluent_kafka import Message

WAIT_S = 30.0


def holds(condition: Callable[[], object]) -> bool:
    """Whether a condition holds now that asks Kafka: a broker that was killed is not quite back, and may fail."""
    try:
        return bool(condition())
    except (KafkaException, TimeoutError):
        return False


@dataclass(frozen=True)
class Right:
    """One ACL: ``Right("READ", "TOPIC", "ns.pages")``; ``prefixed`` for all names that start so."""

    operation: str
    kind: str
    name: str
    prefixed: bool = False


class Followed:
    """All committed records of some topics, whenever one asks."""

    def __init__(self, reader: Consumer, asker: Consumer, partitions: Mapping[str, Sequence[int]]) -> None:
        """Take two consumers: questions about offsets would wait behind the reader's long fetches."""
        self._reader, self._asker = reader, asker
        self._found: dict[str, list[Any]] = {topic: [] for topic in partitions}
        self._read_to = {(topic, number): -1 for topic, numbers in partitions.items() for number in numbers}
        reader.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in self._read_to])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()
        self._asker.close()

    def read(self) -> dict[str, list[Message]]:
        """Read every topic to where it ends now; returns all of each, as they came."""
        ends = {place: self._end_of(*place) for place in self._read_to}
        deadline = time.monotonic() + WAIT_S
        while behind := [place for place, end in ends.items() if self._read_to[place] < end]:
            assert time.monotonic() < deadline, f"could not be read to their ends: {behind}"
            for message in self._reader.consume(500, 0.05):
                self._take(message)
        return self._found

    def _take(self, message: Any) -> None:
        if (error := message.error()) is None:
            self._found[message.topic()].append(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            self._read_to[message.topic(), message.partition()] = message.offset()

    def _end_of(self, topic: str, partition: int) -> int:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                return int(self._asker.get_watermark_offsets(TopicPartition(topic, partition), timeout=WAIT_S)[1])
            except KafkaException as exception:  # on a busy machine a new consumer does not know each partition yet
                if exception.args[0].code() != KafkaError._UNKNOWN_PARTITION or time.monotonic() > deadline:
                    raise


@dataclass
class Cluster:
    """A Kafka that we may do everything with."""

    properties: Mapping[str, str]
    """Of a super user."""
    admin: Any = field(init=False)

    def __post_init__(self) -> None:
        # Clients of tests that kill the broker would fill the report with their complaints.
        self.properties = {"log_level": "0", **self.properties}
        self.admin = AdminClient(dict(self.properties))

    def create_topics(self, *names: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Make topics, and wait until they can be used."""
        topics = [NewTopic(name, num_partitions=partitions, config=dict(config or {})) for name in names]
        for future in self.admin.create_topics(topics).values():
            future.result(WAIT_S)
        deadline = time.monotonic() + WAIT_S
        while any(error is not None for name in names for error in self._partition_errors(name)):
            assert time.monotonic() < deadline, f"{names} did not appear"

    def delete_topics(self, *names: str) -> None:
        """Delete topics with all that is in them."""
        for future in self.admin.delete_topics(list(names)).values():
            future.result(WAIT_S)

    def grow_topic(self, name: str, partitions: int) -> None:
        """Let a topic have so many partitions, and wait until they can be used."""
        self.admin.create_partitions([NewPartitions(name, partitions)])[name].result(WAIT_S)
        deadline = time.monotonic() + WAIT_S
        while len(errors := self._partition_errors(name)) < partitions or any(each is not None for each in errors):
            assert time.monotonic() < deadline, f"{name} did not grow"

    def configure(self, topic: str, config: Mapping[str, str]) -> None:
        """Set configuration of a topic."""
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        self.admin.incremental_alter_configs([resource])[resource].result(WAIT_S)

    def create_user(self, name: str, rights: Iterable[Right]) -> dict[str, str]:
        """Make a SCRAM user with these rights, and return its ``client.properties``."""
        password = secrets.token_urlsafe(16)
        self.set_passwords({name: password})
        self.grant(name, rights)
        return {
            "bootstrap.servers": self.properties["bootstrap.servers"],
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": name,
            "sasl.password": password,
            "partitioner": "murmur2_random",
        }

    def set_passwords(self, passwords: Mapping[str, str]) -> None:
        """Make SCRAM users, by name, or give them these passwords: all in one request."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wanted = [UserScramCredentialUpsertion(user, info, text.encode()) for user, text in passwords.items()]
        for future in self.admin.alter_user_scram_credentials(wanted).values():
            future.result(WAIT_S)

    def grant(self, user: str, rights: Iterable[Right], permission: str = "ALLOW") -> None:
        """Give a user rights; ``DENY`` forbids them, whatever else allows them."""
        self.grant_all({user: rights}, permission)

    def grant_all(self, rights: Mapping[str, Iterable[Right]], permission: str = "ALLOW") -> None:
        """Give many users rights, in one request."""
        given = [(user, right) for user, own in rights.items() for right in own]
        for future in self.admin.create_acls([_acl(user, right, permission) for user, right in given]).values():
            future.result(WAIT_S)
        if given:  # a broker takes them up one after another, and a while after the answer
            last = _acl(*given[-1], permission, AclBindingFilter)
            deadline = time.monotonic() + WAIT_S
            while not self.admin.describe_acls(last).result(WAIT_S):
                assert time.monotonic() < deadline, f"no broker shows {last}"
                time.sleep(0.02)

    def revoke(self, user: str, rights: Iterable[Right], permission: str = "ALLOW") -> None:
        """Take back what ``grant`` gave."""
        for future in self.admin.delete_acls(
            [_acl(user, right, permission, AclBindingFilter) for right in rights]
        ).values():
            future.result(WAIT_S)

    def produce(
        self,
        topic: str,
        records: Iterable[tuple[bytes | None, bytes | None, Sequence[Any]]],
        *,
        transactional_id: str | None = None,
    ) -> None:
        """Write records (key, value, headers), in one transaction if one is named, and wait until all are there."""
        settings: dict[str, Any] = {**self.properties, "partitioner": "murmur2_random", "linger.ms": 5}
        producer = Producer(
            settings if transactional_id is None else {**settings, "transactional.id": transactional_id}
        )
        if transactional_id is not None:
            producer.init_transactions(WAIT_S)
            producer.begin_transaction()
        errors: list[KafkaError] = []
        for key, value, headers in records:
            producer.produce(
                topic,
                value,
                key,
                headers=list(headers),
                on_delivery=lambda error, _message: errors.append(error) if error else None,
            )
            producer.poll(0)
        assert producer.flush(WAIT_S) == 0
        assert errors == []
        if transactional_id is not None:
            producer.commit_transaction(WAIT_S)

    def read_all(self, topic: str) -> list[Message]:
        """Return all committed records of a topic, partition after partition."""
        with self.follow(topic) as followed:
            return sorted(followed.read()[topic], key=lambda message: (message.partition(), message.offset()))

    def delete_records(self, topic: str) -> None:
        """Delete all records of a topic; offsets go on where they were."""
        places = [TopicPartition(topic, partition, OFFSET_END) for partition in self._partitions(topic)]
        for future in self.admin.delete_records(places).values():
            future.result(WAIT_S)

    def follow(self, *topics: str) -> Followed:
        """Read topics from their beginning, again and again; close it."""
        reader, asker = self._consumer("streamwarden-test-reader"), self._consumer("streamwarden-test-reader")
        return Followed(reader, asker, {topic: self._partitions(topic) for topic in topics})

    def end_offsets(self, topic: str, *, committed: bool = True) -> dict[int, int]:
        """Return where each partition ends: the part that is committed, or all of it."""
        # Not through the admin client: its list_offsets, asked again and again, crashed the process in librdkafka.
        isolation = "read_committed" if committed else "read_uncommitted"
        consumer = self._consumer("streamwarden-test-reader", isolation)
        partitions = self._partitions(topic)
        ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=WAIT_S)[1] for p in partitions}
        consumer.close()
        return ends

    def commit(self, group: str, places: Sequence[TopicPartition]) -> None:
        """Commit for a group without members, once its coordinator knows of the topic."""
        deadline = time.monotonic() + WAIT_S
        while errors := self._commit_errors(group, places):
            assert time.monotonic() < deadline, errors

    def _commit_errors(self, group: str, places: Sequence[TopicPartition]) -> list[KafkaError]:
        # Not through the admin client: its request ends the process where a broker answers too late, or not yet.
        consumer = self._consumer(group)
        try:
            answer = consumer.commit(offsets=list(places), asynchronous=False)
        except KafkaException as exception:
            return [exception.args[0]]
        finally:
            consumer.close()
        return [place.error for place in answer if place.error is not None]

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return the offsets that a group has committed, for the partitions where it has."""
        return {each.partition: each.offset for each in self.places(group, topic)}

    def places(self, group: str, topic: str) -> list[TopicPartition]:
        """Return what a group has committed, offset and metadata, for the partitions where it has."""
        consumer = self._consumer(group)
        asked = [TopicPartition(topic, partition) for partition in self._partitions(topic)]
        found = consumer.committed(asked, timeout=WAIT_S)
        consumer.close()
        return [each for each in found if each.offset >= 0]

    def _consumer(self, group: str, isolation: str = "read_committed") -> Consumer:
        own = {name: value for name, value in self.properties.items() if name != "partitioner"}
        return Consumer(
            {
                **own,
                "group.id": group,
                "enable.auto.commit": False,
                "isolation.level": isolation,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,  # the end of a partition is told by an empty answer
            }
        )

    def _partitions(self, topic: str) -> list[int]:
        return sorted(self.admin.list_topics(topic, timeout=WAIT_S).topics[topic].partitions)

    def _partition_errors(self, topic: str) -> list[KafkaError | None]:
        found = self.admin.list_topics(topic, timeout=WAIT_S).topics[topic]
        if found.error is not None:
            return [found.error]
        return [partition.error for partition in found.partitions.values()]


def begin_transaction(
    properties: Mapping[str, str], topic: str, records: Iterable[tuple[bytes | None, bytes | None, Sequence[Any]]]
) -> Producer:
    """Write records (key, value, headers) in a transaction that is still open; the producer ends it."""
    producer = Producer(dict(properties))
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    for key, value, headers in records:
        producer.produce(topic, value, key, headers=list(headers))
    assert producer.flush(WAIT_S) == 0
    return producer


def _acl(user: str, right: Right, permission: str, kind: Any = AclBinding) -> Any:
    return kind(
        ResourceType[right.kind],
        right.name,
        ResourcePatternType.PREFIXED if right.prefixed else ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        AclOperation[right.operation],
        AclPermissionType[permission],
    )


def write_properties(folder: Path, properties: Mapping[str, str]) -> None:
    """Write ``client.properties`` as the operator does."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "client.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    file.chmod(0o600)
