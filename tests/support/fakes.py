"""The ports of the operator in memory. Each fake passes the same behaviour tests as the real adapter.

Every fake has ``writes`` (what was changed, in order: a second reconcile must add nothing) and ``down`` (the backend
does not answer).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from streamwarden_contract.models.base import Kind, Status
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.errors import (
    GroupInUseError,
    InvalidSpecError,
    KafkaUnavailableError,
    RegistryUnavailableError,
    UnsupportedChangeError,
)
from streamwarden_operator.keys import Key, key_of, kind_of
from streamwarden_operator.plans.schemas import same_json
from streamwarden_operator.ports import (
    PartitionOffsets,
    SubjectSchema,
    Topic,
    TopicPlan,
    Unreadable,
    Workload,
    WorkloadState,
)
from support.topic_configs import CONFIG_TYPES, as_kafka_has_it, defaults_beside

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


K = TypeVar("K", bound=Kind)


class FakeKafka:
    """What the fakes of Kafka share."""

    def __init__(self) -> None:
        self.down = False
        self.writes: list[tuple[object, ...]] = []

    def _answer(self) -> None:
        if self.down:
            raise KafkaUnavailableError("no answer from Kafka")


class FakeTopics(FakeKafka):
    """Topics, of a cluster with one broker, or more."""

    def __init__(self, *existing: Topic) -> None:
        super().__init__()
        self.brokers = 1
        self.topics = {topic.name: _made(topic) for topic in existing}

    async def observe(self, names: Collection[str]) -> Mapping[str, Topic]:
        self._answer()
        found = {name: self.topics[name] for name in names if name in self.topics}
        return {
            name: replace(topic, defaults=defaults_beside(topic.config), config_types=CONFIG_TYPES)
            for name, topic in found.items()
        }

    async def apply(self, name: str, plan: TopicPlan) -> bool:
        self._answer()
        if plan:
            self.writes.append(("apply", name, plan))
        made = plan.create is not None and name not in self.topics
        if made and plan.create is not None:
            if (plan.create.replication_factor or 1) > self.brokers:
                raise InvalidSpecError(f"{self.brokers} brokers cannot hold so many replicas")
            self.topics[name] = _made(plan.create)
        if plan.grow_to is not None:
            if plan.grow_to <= self.topics[name].partitions:
                raise UnsupportedChangeError("partitions only grow")
            self.topics[name] = replace(self.topics[name], partitions=plan.grow_to)
        if plan.set_config or plan.unset_config:
            config = {**self.topics[name].config, **as_kafka_has_it(plan.set_config)}
            kept = {key: value for key, value in config.items() if key not in plan.unset_config}
            self.topics[name] = replace(self.topics[name], config=kept)
        return made

    async def delete(self, name: str) -> None:
        self._answer()
        self.writes.append(("delete", name))
        self.topics.pop(name, None)


class FakeOffsets(FakeKafka):
    """Ends of partitions and committed offsets. Partitions come from ``topics``, ends from ``ends``."""

    def __init__(self, topics: FakeTopics) -> None:
        super().__init__()
        self._topics = topics
        self.ends: dict[tuple[str, int], tuple[int, int]] = {}
        """(low, high) by topic and partition; (0, 0) where left out."""
        self.committed: dict[tuple[str, str, int], tuple[int, str]] = {}
        """(offset, metadata) by group, topic and partition."""
        self.members: set[str] = set()
        """Groups that have some: nobody else commits for them."""
        self.kept: list[tuple[str, tuple[str, ...]]] = []
        """Groups whose retention began anew, with the topics that were named."""

    async def observe(self, group: str, topic: str) -> Sequence[PartitionOffsets]:
        self._answer()
        if topic not in self._topics.topics:
            raise KafkaUnavailableError(f"topic {topic!r} does not exist")
        found = []
        for partition in range(self._topics.topics[topic].partitions):
            low, high = self.ends.get((topic, partition), (0, 0))
            offset, metadata = self.committed.get((group, topic, partition), (None, ""))
            found.append(PartitionOffsets(partition, low, high, offset, metadata))
        return found

    async def commit(self, group: str, topic: str, offsets: Mapping[int, tuple[int, str]]) -> None:
        self._answer()
        if group in self.members:
            raise GroupInUseError(f"group {group!r} has members: only they commit for it")
        self.writes.append(("commit", group, topic, dict(offsets)))
        for partition, position in offsets.items():
            self.committed[group, topic, partition] = position

    async def keep(self, group: str, topics: Sequence[str]) -> None:
        self._answer()
        self.kept.append((group, tuple(topics)))


class FakeSchemaRegistry:
    """A registry that knows one incompatibility: a newly required property, unless the level is NONE."""

    def __init__(self) -> None:
        self.down = False
        self.writes: list[tuple[object, ...]] = []
        self.levels: dict[str, str] = {}
        self.versions: dict[str, list[SubjectSchema]] = {}

    def _answer(self) -> None:
        if self.down:
            raise RegistryUnavailableError("no answer from the schema registry")

    async def observe(self, subject: str) -> SubjectSchema | None:
        self._answer()
        versions = self.versions.get(subject)
        return replace(versions[-1], compatibility_level=self.levels.get(subject)) if versions else None

    async def find(self, subject: str, definition: str) -> SubjectSchema | None:
        self._answer()
        same = (known for known in self.versions.get(subject, ()) if same_json(known.definition, definition))
        return next((replace(known, compatibility_level=self.levels.get(subject)) for known in same), None)

    async def set_compatibility(self, subject: str, level: str) -> None:
        self._answer()
        self.writes.append(("set_compatibility", subject, level))
        self.levels[subject] = level

    async def register(self, subject: str, definition: str) -> SubjectSchema:
        self._answer()
        if (known := await self.find(subject, definition)) is not None:
            return known
        versions = self.versions.setdefault(subject, [])
        try:
            required = _required(definition)
        except json.JSONDecodeError as error:
            raise InvalidSpecError("no JSON", reason=ConditionReason.INVALID_SCHEMA) from error
        level = self.levels.get(subject, "NONE")
        if versions and level != "NONE" and required - _required(versions[-1].definition):
            raise InvalidSpecError(
                "could not register the schema: a new required property was added",
                reason=ConditionReason.INVALID_SCHEMA,
            )
        self.writes.append(("register", subject))
        schema_id = 1 + sum(len(known) for known in self.versions.values())
        versions.append(SubjectSchema(subject, schema_id, len(versions) + 1, definition, self.levels.get(subject)))
        return versions[-1]

    async def delete(self, subject: str) -> None:
        self._answer()
        self.writes.append(("delete", subject))
        self.versions.pop(subject, None)
        self.levels.pop(subject, None)


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """What people were told."""

    key: Key
    reason: str
    message: str
    warning: bool


@dataclass
class FakeCluster:
    """The Kubernetes side: resources, Secrets and workloads in dicts."""

    down: bool = False
    resources: dict[tuple[type[Kind], str, str], Kind] = field(default_factory=dict)
    secrets: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    config_maps: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """Data beside rules, by namespace and name."""
    workloads: dict[tuple[str, str], Workload] = field(default_factory=dict)
    outdated: set[tuple[str, str]] = field(default_factory=set)
    """Agents of which pods of before exist still."""
    crashing: dict[tuple[str, str], str] = field(default_factory=dict)
    """Why an agent's pods keep ending, by namespace and agent."""
    unscheduled: dict[tuple[str, str], str] = field(default_factory=dict)
    """Why no node takes an agent's pods, by namespace and agent."""
    replicas: dict[tuple[str, str], int] = field(default_factory=dict)
    """Pods wanted, by namespace and agent."""
    ending: set[tuple[str, str]] = field(default_factory=set)
    """Agents whose pods take their time to end."""
    existing_pods: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """Names of pods; of an agent without an entry nobody can tell."""
    broken: dict[Key, Unreadable] = field(default_factory=dict)
    """Resources that exist and cannot be read."""
    annotations: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of namespaces."""
    ready_pods: int = 1
    """Pods of each agent that say they are ready."""
    events: list[RecordedEvent] = field(default_factory=list)
    writes: list[tuple[object, ...]] = field(default_factory=list)

    def put(self, resource: K) -> K:
        """Add or replace a resource as a user would, and return it."""
        metadata = resource.metadata
        self.resources[type(resource), metadata.namespace, metadata.name] = resource
        return resource

    def remove(self, resource: Kind) -> None:
        """Take a resource away, as the API server does once it has no finalizer."""
        metadata = resource.metadata
        del self.resources[type(resource), metadata.namespace, metadata.name]

    def get(self, kind: type[K], namespace: str, name: str) -> K | None:
        found = self.resources.get((kind, namespace, name))
        return found if isinstance(found, kind) else None

    def list(self, kind: type[K], namespace: str | None = None) -> Sequence[K]:
        return [
            found
            for (_, where, _), found in sorted(self.resources.items(), key=lambda item: item[0][1:])
            if isinstance(found, kind) and namespace in {None, where}
        ]

    def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        return self.config_maps.get((namespace, name))

    def names(self, kind: type[Kind], namespace: str) -> frozenset[str]:
        broken = {key.name for key in self.broken if (key.kind, key.namespace) == (kind_of(kind), namespace)}
        return frozenset(
            broken | {name for found, where, name in self.resources if found is kind and where == namespace}
        )

    def make_unreadable(self, resource: Kind, **metadata: object) -> None:
        """Let a resource be as another version of the operator writes it; ``metadata`` is what changes in it."""
        self.resources.pop((type(resource), resource.metadata.namespace, resource.metadata.name), None)
        found = resource.metadata.model_copy(update=metadata)
        manifest = {**resource.model_dump(by_alias=True, mode="json"), "novelty": "not known"}
        self.broken[key_of(resource)] = Unreadable(key_of(resource), found, "spec.novelty: not known", manifest)

    def unreadable(self) -> Mapping[Key, Unreadable]:
        return self.broken

    async def write_status(self, resource: Kind, status: Status) -> None:
        stored = self._stored(resource)
        if stored is None or status == getattr(stored, "status", None):
            return
        self.writes.append(("status", type(resource).__name__, resource.metadata.name))
        self.put(stored.model_copy(update={"status": status}))

    async def read_secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        return self.secrets.get((namespace, name))

    async def apply_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        if self.secrets.get((namespace, name)) != dict(data):
            self.writes.append(("secret", namespace, name))
            self.secrets[namespace, name] = dict(data)

    async def delete_secret(self, namespace: str, name: str) -> None:
        if self.secrets.pop((namespace, name), None) is not None:
            self.writes.append(("delete secret", namespace, name))

    async def apply_workload(self, workload: Workload) -> WorkloadState:
        where = (workload.namespace, workload.agent)
        replicas = self.replicas.setdefault(where, workload.replicas)
        known = self.workloads.get(where)
        if known is None or replace(known, replicas=workload.replicas) != workload:
            self.writes.append(("workload", *where))
        self.workloads[where] = workload
        ready = min(self.ready_pods, replicas)
        crashing, unscheduled = self.crashing.get(where, ""), self.unscheduled.get(where, "")
        state = WorkloadState(replicas, desired=replicas, ready=ready, crashing=crashing, unscheduled=unscheduled)
        return replace(state, outdated=where in self.outdated)

    async def applied_formats(self, namespace: str, agent: str) -> str:
        found = self.workloads.get((namespace, agent))
        return found.formats if found is not None else ""

    async def scale_workload(self, namespace: str, agent: str, replicas: int) -> None:
        found = self.workloads.get((namespace, agent))
        if found is not None and self.replicas.get((namespace, agent)) != replicas:
            self.writes.append(("scale", namespace, agent, replicas))
            self.replicas[namespace, agent] = replicas

    async def delete_workload(self, namespace: str, agent: str) -> bool:
        if self.workloads.pop((namespace, agent), None) is not None:
            self.writes.append(("delete workload", namespace, agent))
        self.replicas.pop((namespace, agent), None)
        return (namespace, agent) not in self.ending

    def pods(self, namespace: str, agent: str) -> frozenset[str] | None:
        return self.existing_pods.get((namespace, agent))

    async def set_finalizer(self, resource: Kind | Unreadable, finalizer: str, *, present: bool) -> None:
        if isinstance(resource, Unreadable):
            assert (resource.metadata.finalizers, present) == ((finalizer,), False)
            self.writes.append(("finalizer", resource.metadata.name, finalizer, present))
            del self.broken[resource.key]
            return
        stored = self._stored(resource)
        if stored is None:
            return
        metadata = stored.metadata
        if (finalizer in metadata.finalizers) == present:
            return
        self.writes.append(("finalizer", metadata.name, finalizer, present))
        others = tuple(name for name in metadata.finalizers if name != finalizer)
        kept = (*others, finalizer) if present else others
        changed = stored.model_copy(update={"metadata": metadata.model_copy(update={"finalizers": kept})})
        self.put(changed)
        if metadata.deletion_timestamp and not kept:
            self.remove(changed)

    async def namespace_annotations(self, namespace: str) -> Mapping[str, str]:
        return self.annotations.get(namespace, {})

    async def record_event(self, key: Key, *, reason: str, message: str, warning: bool) -> None:
        self.events.append(RecordedEvent(key, reason, message, warning))

    def _stored(self, resource: Kind) -> Kind | None:
        metadata = resource.metadata
        return self.resources.get((type(resource), metadata.namespace, metadata.name))


def _made(topic: Topic) -> Topic:
    """Return the topic as a cluster shows it."""
    return replace(
        topic,
        replication_factor=topic.replication_factor or 1,
        config=as_kafka_has_it(topic.config),
        topic_id=topic.topic_id or uuid4().hex,
    )


def _required(definition: str) -> set[str]:
    return set(json.loads(definition).get("required", ()))
