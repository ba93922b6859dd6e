"""The contract reconciler on the real broker and the real registry."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.models import TopicContract
from streamwarden_contract.names import InstallationNames
from streamwarden_operator.adapters.schema_registry import ConfluentRegistry
from streamwarden_operator.desired.acls import access_acls
from streamwarden_operator.errors import KafkaUnavailableError
from streamwarden_operator.keys import key_of
from streamwarden_operator.ports import Acl, AclPlan, Topic, TopicPlan
from streamwarden_operator.reconcilers.contracts.reconciler import TopicContractReconciler
from streamwarden_operator.reconcilers.policies.log_store import LogStore
from support.contract_world import new_inventory
from support.fakes import FakeCluster
from support.kafka_adapters import KafkaPorts, real_ports
from support.manifests import contract
from support.recording import Recording

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamwarden_contract.models.topic_contract import TopicContractStatus
    from streamwarden_operator.reconcilers.inventory import Inventory
    from support.stack_fixture import OwnStack, RunningStack

INSTALLATION = InstallationNames()

SCHEMA = {"schema": json.dumps({"type": "object", "properties": {"url": {"type": "string"}}})}
ACCESS = {"producers": ["User:web"], "consumers": ["User:bi"]}
READS = {"observe", "find"}


@dataclass
class World:
    """A reconciler of one contract, its backends recorded."""

    namespace: str
    kafka: KafkaPorts
    registry: ConfluentRegistry
    cluster: FakeCluster = field(default_factory=FakeCluster)
    inventory: Inventory = field(default_factory=new_inventory)
    calls: list[str] = field(default_factory=list)

    async def reconcile(self) -> TopicContractStatus:
        """Reconcile, and leave in ``calls`` what was written outside."""
        logs = LogStore(INSTALLATION, claimed={self.namespace})
        recorded = [Recording(port) for port in (self.kafka.topics, self.kafka.acls, self.registry)]
        topics, acls, registry = recorded
        reconciler = TopicContractReconciler(self.cluster, topics, acls, registry, logs=logs, inventory=self.inventory)
        before = self.stored()
        await reconciler.reconcile(key_of(before))
        self.calls = [call for port in recorded for call in port.calls if call not in READS]
        return (self.cluster.get(TopicContract, self.namespace, "urls") or before).status

    def stored(self) -> TopicContract:
        found = self.cluster.get(TopicContract, self.namespace, "urls")
        assert found is not None
        return found

    def put(self, *, generation: int = 1, **spec: Any) -> TopicContract:
        before = self.cluster.get(TopicContract, self.namespace, "urls")
        made = contract(self.namespace, "urls", generation=generation, **spec)
        if before is not None:
            metadata = made.metadata.model_copy(update={"finalizers": before.metadata.finalizers})
            made = made.model_copy(update={"status": before.status, "metadata": metadata})
        return self.cluster.put(made)

    @property
    def topic(self) -> str:
        return f"{self.namespace}.urls"


@pytest.fixture
async def world(stack_with_registry: RunningStack, unique: str) -> AsyncIterator[World]:
    async with ConfluentRegistry(stack_with_registry.registry_url) as registry:
        yield World(unique, real_ports(stack_with_registry), registry)


def is_true(status: TopicContractStatus, kind: str) -> bool:
    return any(part.type == kind and part.status == "True" for part in status.conditions)


async def test_a_contract_is_kept_and_a_second_reconcile_writes_nothing(world: World) -> None:
    wanted = world.put(partitions=3, schema=SCHEMA, access=ACCESS, config={"retention.ms": 60000})
    first = await world.reconcile()
    assert is_true(first, "Ready")
    assert world.calls == ["apply", "apply", "set_compatibility", "register"]
    topic = (await world.kafka.topics.observe([world.topic]))[world.topic]
    assert (topic.partitions, topic.config, topic.topic_id) == (3, {"retention.ms": "60000"}, first.topic_id)
    assert access_acls(INSTALLATION, world.topic, wanted.spec.access) <= await world.kafka.acls.observe()

    writes = len(world.cluster.writes)
    assert await world.reconcile() == first
    assert world.calls == []
    assert len(world.cluster.writes) == writes


async def test_drift_of_topic_acls_and_compatibility_is_put_back(world: World) -> None:
    world.put(schema=SCHEMA, access=ACCESS, config={"retention.ms": 60000})
    well = await world.reconcile()
    lost = Acl("User:web", "TOPIC", world.topic, "WRITE")
    drift = TopicPlan(set_config={"segment.ms": "5000"}, unset_config=frozenset({"retention.ms"}))
    await world.kafka.topics.apply(world.topic, drift)
    await world.kafka.acls.apply(AclPlan(remove=frozenset({lost})))
    await world.registry.set_compatibility(f"{world.topic}-value", "NONE")

    status = await world.reconcile()

    assert is_true(status, "DriftDetected")
    assert world.calls == ["apply", "apply", "set_compatibility"]
    topic = (await world.kafka.topics.observe([world.topic]))[world.topic]
    # X81: what the contract does not name is theirs
    assert topic.config == {"retention.ms": "60000", "segment.ms": "5000"}
    assert lost in await world.kafka.acls.observe()
    assert [event.reason for event in world.cluster.events] == ["Drifted"]
    after = await world.reconcile()
    assert world.calls == []
    assert [(part.type, part.status) for part in after.conditions] == [
        (part.type, part.status) for part in well.conditions
    ]


async def test_x81_a_topic_that_is_there_is_taken_over_as_it_is(world: World) -> None:
    there = Topic(world.topic, 1, config={"retention.ms": "-1", "segment.ms": "5000"})
    await world.kafka.topics.apply(world.topic, TopicPlan(create=there))
    world.put(config={"segment.ms": 6000, "min.cleanable.dirty.ratio": 1, "cleanup.policy": "delete, compact"})
    status = await world.reconcile()
    assert [(part.status, part.reason) for part in status.conditions if part.type == "TopicReady"] == [
        ("True", "Adopted")
    ]
    (event,) = world.cluster.events
    assert event.message.endswith(
        "set cleanup.policy=delete, compact (was the broker's default, delete), set min.cleanable.dirty.ratio=1 "
        "(was the broker's default, 0.5), set segment.ms=6000 (was 5000); records may be deleted for it: "
        "cleanup.policy; left as it is, as the contract does not name it: retention.ms=-1"
    )
    world.put(generation=2)
    await world.reconcile()
    assert (await world.kafka.topics.observe([world.topic]))[world.topic].config == {"retention.ms": "-1"}
    assert await world.reconcile()
    assert world.calls == []


async def test_x43_x44_a_schema_edited_back_is_no_drift_and_goes_with_its_contract(world: World) -> None:
    other = {"schema": json.dumps({"type": "object", "properties": {"url": {"type": "string"}}, "title": "b"})}
    for generation, schema in enumerate((SCHEMA, other, SCHEMA), start=1):
        world.put(generation=generation, schema=schema, deletionPolicy="Delete")
        status = await world.reconcile()
    assert status.registered_schema is not None
    assert status.registered_schema.version == 1
    for _ in range(2):
        status = await world.reconcile()
        assert (world.calls, is_true(status, "DriftDetected")) == ([], False)
    said = next(part.message for part in status.conditions if part.type == "SchemaReady")
    assert said.startswith("registered as version 1; the subject's latest is version 2, which is another schema")
    taken_out = world.put(generation=4, deletionPolicy="Delete")
    await world.reconcile()
    deleted = taken_out.metadata.model_copy(
        update={"finalizers": world.stored().metadata.finalizers, "deletion_timestamp": "2026-03-02T00:00:00Z"}
    )
    world.cluster.put(world.stored().model_copy(update={"metadata": deleted}))
    await world.reconcile()
    assert await world.registry.observe(f"{world.topic}-value") is None


async def test_f33_a_deleted_topic_is_made_again_and_told(world: World) -> None:
    world.put()
    first = await world.reconcile()
    await world.kafka.topics.delete(world.topic)
    status = await world.reconcile()
    assert is_true(status, "DriftDetected")
    assert is_true(status, "TopicReady")
    assert status.topic_id not in {"", first.topic_id}


@pytest.mark.parametrize(
    ("key", "partitions"),
    [
        pytest.param("None", 2, id="F32-partitions-never-shrink"),
        pytest.param("Entity", 4, id="F35-a-keyed-topic-never-grows"),
    ],
)
async def test_partitions_that_cannot_be_are_refused(world: World, key: str, partitions: int) -> None:
    world.put(key=key, partitions=3)
    await world.reconcile()
    world.put(key=key, partitions=partitions, generation=2)
    status = await world.reconcile()
    assert not is_true(status, "TopicReady")
    assert world.calls == []
    assert (await world.kafka.topics.observe([world.topic]))[world.topic].partitions == 3


async def test_a_configuration_that_kafka_refuses_is_the_users_to_change(world: World) -> None:
    world.put(config={"no.such.key": "1"})
    status = await world.reconcile()
    ready = next(part for part in status.conditions if part.type == "Ready")
    assert (ready.status, ready.reason) == ("False", "InvalidConfig")


async def test_an_existing_topic_is_adopted(world: World) -> None:
    existing = Topic(world.topic, partitions=2, config={"segment.ms": "5000"})
    await world.kafka.topics.apply(world.topic, TopicPlan(create=existing))
    world.put(partitions=2, config={"retention.ms": 60000})
    status = await world.reconcile()
    assert is_true(status, "Ready")
    assert not is_true(status, "DriftDetected")
    # X81: what the contract does not name stays
    adopted = {"retention.ms": "60000", "segment.ms": "5000"}
    assert (await world.kafka.topics.observe([world.topic]))[world.topic].config == adopted


async def test_a_deleted_contract_with_the_policy_delete_leaves_nothing(world: World) -> None:
    wanted = world.put(schema=SCHEMA, access=ACCESS, deletionPolicy="Delete")
    await world.reconcile()
    kept = world.stored()
    metadata = kept.metadata.model_copy(update={"deletion_timestamp": "2026-01-02T00:00:00Z"})
    world.cluster.put(kept.model_copy(update={"metadata": metadata}))
    await world.reconcile()
    assert world.cluster.resources == {}
    assert await world.kafka.topics.observe([world.topic]) == {}
    assert await world.registry.observe(f"{world.topic}-value") is None
    assert not access_acls(INSTALLATION, world.topic, wanted.spec.access) & await world.kafka.acls.observe()


async def test_f30_a_killed_broker_is_an_outage_that_ends_by_itself(world: World, breakable_stack: OwnStack) -> None:
    world.kafka = real_ports(breakable_stack)
    world.put(access=ACCESS)
    before = await world.reconcile()
    # More patient requests may outlive the outage: the broker is started again within two seconds.
    world.kafka = real_ports(breakable_stack, timeout_s=0.5)
    breakable_stack.kill()
    outages = 0
    async with asyncio.timeout(120):
        while True:
            try:
                after = await world.reconcile()
                break
            except KafkaUnavailableError:
                outages += 1
                status = world.stored().status
                assert (status.topic_id, status.access) == (before.topic_id, before.access)
                assert not is_true(status, "Ready")
    assert outages > 0
    assert is_true(after, "Ready")
    assert after.topic_id == before.topic_id
    assert world.cluster.events == []
