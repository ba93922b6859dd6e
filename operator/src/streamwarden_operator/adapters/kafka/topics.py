"""The topics of one Kafka cluster."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs do not export them
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    TopicDescription,
)
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.batching import Batcher
from streamwarden_kafka.codes import FORBIDDEN, code_of
from streamwarden_kafka.records import Partition
from streamwarden_kafka.wire.connections import Wire
from streamwarden_kafka.wire.topics import describe_config_types, leaving_replicas

from streamwarden_operator.adapters.kafka.errors import translate, translated
from streamwarden_operator.plans.topic_config import same_value
from streamwarden_operator.ports import ConfigType, Topic, TopicPlan

_CLIENT_ID = "streamwarden-operator-topics"
_BROKER_DEFAULT = -1
"""As a replication factor: what the broker says."""


@dataclass(frozen=True, slots=True)
class _NewTopic:
    """A topic to create, hashable."""

    name: str
    partitions: int
    replication_factor: int | None
    config: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Config:
    """What a topic carries itself, and what holds beside it."""

    own: Mapping[str, str]
    defaults: Mapping[str, str]


class KafkaTopics:
    """Implements ``ports.Topics``."""

    def __init__(self, admin: KafkaAdmin) -> None:
        self._admin = admin
        self._looks: Batcher[str, Mapping[str, Topic | KafkaException]] = Batcher(self._look)
        self._descriptions: Batcher[str, Mapping[str, TopicDescription | KafkaException]] = Batcher(self._describe)
        self._creations: Batcher[_NewTopic, Mapping[str, KafkaException | None]] = Batcher(self._create_all)
        self._types: dict[str, ConfigType] = {}
        """By configuration: one for all topics, and asked for once."""

    async def observe(self, names: Collection[str]) -> Mapping[str, Topic]:
        """Return the topics that exist; what is asked at the same time shares two requests."""
        if not names:
            return {}
        with translated(f"look at {_listed(names)}"):
            found = await self._looks.get(names)
        topics = {}
        for name in names:
            match found.get(name):
                case Topic() as topic:
                    topics[name] = topic
                case KafkaException() as error:
                    raise translate(error, f"look at topic {name!r}") from error
                case None:
                    continue
        return topics

    async def apply(self, name: str, plan: TopicPlan) -> bool:
        """Carry out the plan. A topic that appeared meanwhile is no error: the next pass compares what is there."""
        made = plan.create is not None and await self._create(plan.create)
        if plan.grow_to is not None:
            await self._grow(name, plan.grow_to)
        if plan.set_config or plan.unset_config:
            await self._alter_config(name, plan)
        return made

    async def delete(self, name: str) -> None:
        """Delete a topic and return once the brokers have forgotten it."""
        with translated(f"delete topic {name!r}"):
            try:
                await self._admin.all(self._admin.topic_writer.delete_topics([name], **self._waits()))
            except KafkaException as error:
                if code_of(error) != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        await self._until_partitions(name, 0)

    async def _look(self, names: Collection[str]) -> Mapping[str, Topic | KafkaException]:
        """Return each topic as it is, or what Kafka refused; an absent one has no entry."""
        described = await self._describe(names)
        shown = {name: found for name, found in described.items() if not isinstance(found, KafkaException)}
        settled = await self._admin.until_spread(lambda: self._settled_configs(shown))
        configs = {name: found for name, found in settled.items() if not isinstance(found, KafkaException)}
        await self._learn_types(configs)
        shown = {name: found for name, found in shown.items() if name in configs}
        leaving = await self._leaving(shown)
        found_of = {**described, **settled}
        refused = {name: found for name, found in found_of.items() if isinstance(found, KafkaException)}
        return refused | {
            name: Topic(
                name=name,
                partitions=len(found.partitions),
                replication_factor=min(
                    len({node.id for node in part.replicas} - leaving.get((name, part.id), frozenset()))
                    for part in found.partitions
                ),
                config=configs[name].own,
                topic_id=str(found.topic_id),
                defaults=configs[name].defaults,
                config_types=self._types,
            )
            for name, found in shown.items()
        }

    async def _describe(self, names: Collection[str]) -> dict[str, TopicDescription | KafkaException]:
        settled = await self._admin.settle(
            self._admin.client.describe_topics(TopicCollection(sorted(names)), request_timeout=self._admin.timeout_s)
        )
        return {
            name: result
            for name, result in settled.items()
            if not (isinstance(result, KafkaException) and code_of(result) == KafkaError.UNKNOWN_TOPIC_OR_PART)
        }

    async def _settled_configs(self, names: Collection[str]) -> dict[str, _Config | KafkaException]:
        """Return what each topic itself carries, and what holds besides; or that one may not be looked at.

        Who shares the request may look at theirs all the same.
        """
        if not names:
            return {}
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        answers = await self._admin.settle(
            self._admin.client.describe_configs(resources, request_timeout=self._admin.timeout_s)
        )
        for answer in answers.values():
            if isinstance(answer, KafkaException) and code_of(answer) not in FORBIDDEN:
                raise answer
        return {
            resource.name: answer if isinstance(answer, KafkaException) else _config_of(answer)
            for resource, answer in answers.items()
        }

    async def _config(self, name: str) -> _Config:
        found = (await self._settled_configs([name]))[name]
        if isinstance(found, KafkaException):
            raise found
        return found

    async def _learn_types(self, configs: Mapping[str, _Config]) -> None:
        """Ask for the types of configurations that were not seen before: once, and after brokers became newer ones."""
        for name, config in configs.items():
            if not self._types.keys() >= config.own.keys() | config.defaults.keys():
                async with self._wire() as wire:
                    found = await describe_config_types(wire, name)
                self._types |= {key: ConfigType(kind) for key, kind in found.items()}
                return

    async def _leaving(self, topics: Mapping[str, TopicDescription]) -> Mapping[Partition, frozenset[int]]:
        """Return the replicas that a reassignment takes away; as long as it lasts, one that comes is not in sync."""
        doubtful = [
            (name, part.id)
            for name, found in topics.items()
            for part in found.partitions
            if len(part.isr) < len(part.replicas)
        ]
        if not doubtful:
            return {}
        async with self._wire() as wire:
            return await leaving_replicas(wire, doubtful, timeout_s=self._admin.timeout_s)

    def _wire(self) -> Wire:
        """Return connections for one request: it is rare."""
        return self._admin.wire(_CLIENT_ID)

    async def _create(self, topic: Topic) -> bool:
        new = _NewTopic(topic.name, topic.partitions, topic.replication_factor, tuple(sorted(topic.config.items())))
        with translated(f"create topic {topic.name!r}"):
            error = (await self._creations.get([new])).get(topic.name)
            if error is not None and code_of(error) == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            if error is not None:
                raise error
        await self._until_partitions(topic.name, topic.partitions)
        return True

    async def _create_all(self, topics: Collection["_NewTopic"]) -> Mapping[str, KafkaException | None]:
        new = [
            NewTopic(
                topic.name,
                num_partitions=topic.partitions,
                replication_factor=_BROKER_DEFAULT if topic.replication_factor is None else topic.replication_factor,
                config=dict(topic.config),
            )
            for topic in {topic.name: topic for topic in topics}.values()
        ]
        return await self._admin.settle(self._admin.topic_writer.create_topics(new, **self._waits()))

    async def _grow(self, name: str, partitions: int) -> None:
        with translated(f"grow topic {name!r} to {partitions} partitions"):
            grown = [NewPartitions(name, partitions)]
            await self._admin.all(self._admin.topic_writer.create_partitions(grown, **self._waits()))
        await self._until_partitions(name, partitions)

    async def _alter_config(self, name: str, plan: TopicPlan) -> None:
        entries = [
            *(
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                for key, value in plan.set_config.items()
            ),
            *(
                ConfigEntry(key, None, incremental_operation=AlterConfigOpType.DELETE)
                for key in sorted(plan.unset_config)
            ),
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries)
        with translated(f"configure topic {name!r}"):
            await self._admin.all(
                self._admin.writer.incremental_alter_configs([resource], request_timeout=self._admin.timeout_s)
            )

        async def shown() -> bool:
            found = (await self._config(name)).own
            return plan.unset_config.isdisjoint(found) and all(
                key in found and same_value(value, found[key], self._types.get(key, ConfigType.UNKNOWN))
                for key, value in plan.set_config.items()
            )

        with translated(f"read the configuration of topic {name!r}"):
            await self._admin.until(shown, f"new configuration of topic {name!r}")

    async def _until_partitions(self, name: str, wanted: int) -> None:
        """Return once the brokers show this many partitions, each with a leader; 0: once the topic is gone."""

        async def shown() -> bool:
            found = (await self._descriptions.get([name])).get(name)
            if isinstance(found, KafkaException):
                raise found
            if found is None or wanted == 0:
                return found is None and wanted == 0
            return sum(partition.leader is not None for partition in found.partitions) >= wanted

        with translated(f"look at topic {name!r}"):
            await self._admin.until(shown, f"topic {name!r} with {wanted} partitions")

    def _waits(self) -> dict[str, float]:
        return {"operation_timeout": self._admin.timeout_s, "request_timeout": self._admin.timeout_s}


def _config_of(entries: Mapping[str, ConfigEntry]) -> _Config:
    own: dict[str, str] = {}
    defaults: dict[str, str] = {}
    for key, entry in entries.items():
        # annotated as the enum, an int at run time
        (own if ConfigSource(entry.source) is ConfigSource.DYNAMIC_TOPIC_CONFIG else defaults)[key] = entry.value or ""
    return _Config(own, defaults)


def _listed(names: Collection[str]) -> str:
    return f"topic {next(iter(names))!r}" if len(names) == 1 else f"{len(names)} topics"
