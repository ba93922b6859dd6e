"""The reconciler of contracts over the ports in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.models import TopicContract
from streamwarden_contract.names import InstallationNames
from streamwarden_operator.desired.acls import access_acls, format_acl
from streamwarden_operator.desired.management import ORPHAN
from streamwarden_operator.errors import KafkaUnavailableError, RegistryUnavailableError
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.ports import Acl, AclPlan, Topic
from streamwarden_operator.reconcilers.contracts.reconciler import FINALIZER, TopicContractReconciler
from support.fakes import FakeAcls, FakeCluster, FakeSchemaRegistry, FakeTopics
from support.manifests import agent, contract
from typing_extensions import override

if TYPE_CHECKING:
    from streamwarden_contract.models.topic_contract import TopicContractStatus

INSTALLATION = InstallationNames()

SCHEMA = {"schema": json.dumps({"type": "object", "required": ["url"]})}
STRICTER = {"schema": json.dumps({"type": "object", "required": ["url", "score"]})}
ACCESS = {"producers": ["User:web"], "consumers": ["User:bi"]}
KEY = Key("TopicContract", "risk", "urls")


@dataclass
class World:
    """Everything around the reconciler."""

    cluster: FakeCluster = field(default_factory=FakeCluster)
    topics: FakeTopics = field(default_factory=FakeTopics)
    acls: FakeAcls = field(default_factory=FakeAcls)
    registry: FakeSchemaRegistry | None = field(default_factory=FakeSchemaRegistry)
    woken: list[Key] = field(default_factory=list)

    async def reconcile(self, name: str = "urls") -> TopicContractStatus:
        reconciler = TopicContractReconciler(
            self.cluster,
            self.topics,
            self.acls,
            self.registry,
            installation=INSTALLATION,
            changed=self.woken.append,
            clock=lambda: datetime(2026, 3, 1, tzinfo=UTC),
        )
        before = self.contract(name)
        await reconciler.reconcile(key_of(before))
        return (self.cluster.get(TopicContract, "risk", name) or before).status

    def contract(self, name: str = "urls") -> TopicContract:
        found = self.cluster.get(TopicContract, "risk", name)
        assert found is not None
        return found

    def edit(self, name: str = "urls", **spec: Any) -> None:
        """Change the spec as a user does: status, metadata and finalizers stay, the generation grows."""
        before = self.contract(name)
        edited = contract("risk", name, generation=before.metadata.generation + 1, **spec)
        metadata = before.metadata.model_copy(update={"generation": edited.metadata.generation})
        self.cluster.put(before.model_copy(update={"spec": edited.spec, "metadata": metadata}))

    def delete(self, name: str = "urls", **annotations: str) -> None:
        """Delete as a user does: the resource stays until its finalizers are gone."""
        before = self.contract(name)
        update = {"deletion_timestamp": "2026-03-02T00:00:00Z", "annotations": annotations}
        self.cluster.put(before.model_copy(update={"metadata": before.metadata.model_copy(update=update)}))

    def writes(self) -> int:
        registry = self.registry.writes if self.registry else []
        return len(self.cluster.writes) + len(self.topics.writes) + len(self.acls.writes) + len(registry)


@pytest.fixture
def world() -> World:
    return World()


def conditions(status: TopicContractStatus) -> dict[str, tuple[str, str]]:
    return {part.type: (part.status, part.reason) for part in status.conditions}


def message(status: TopicContractStatus, kind: str) -> str:
    return next(part.message for part in status.conditions if part.type == kind)


ALL_WELL = {
    "Accepted": ("True", "OK"),
    "TopicReady": ("True", "OK"),
    "SchemaReady": ("True", "OK"),
    "AccessReady": ("True", "OK"),
    "DriftDetected": ("False", "InSync"),
    "Ready": ("True", "OK"),
}


async def test_a_contract_becomes_topic_schema_and_acls(world: World) -> None:
    wanted = world.cluster.put(contract(partitions=3, schema=SCHEMA, access=ACCESS, config={"retention.ms": 1000}))
    status = await world.reconcile()
    topic = world.topics.topics["risk.urls"]
    assert (topic.partitions, topic.config) == (3, {"retention.ms": "1000"})
    assert world.acls.acls == access_acls(INSTALLATION, "risk.urls", wanted.spec.access)
    assert conditions(status) == ALL_WELL
    assert status.topic_id == topic.topic_id
    assert status.registered_schema is not None
    assert status.registered_schema.subject == "risk.urls-value"
    assert status.access == tuple(sorted(map(format_acl, world.acls.acls)))
    assert status.observed_generation == 1
    assert world.contract().status == status


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="a-topic-alone"),
        pytest.param({"schema": SCHEMA, "access": ACCESS, "deletionPolicy": "Delete"}, id="everything"),
    ],
)
async def test_f3_a_second_reconcile_writes_nothing(world: World, spec: dict[str, Any]) -> None:
    world.cluster.put(contract(**spec))
    first = await world.reconcile()
    writes = world.writes()
    assert await world.reconcile() == first
    assert world.writes() == writes
    assert world.cluster.events == []


async def test_a_contract_with_nothing_to_undo_has_no_finalizer(world: World) -> None:
    world.cluster.put(contract(schema=SCHEMA))
    await world.reconcile()
    assert world.contract().metadata.finalizers == ()


async def test_agents_are_woken_once_when_the_topic_is_there(world: World) -> None:
    world.cluster.put(contract(schema=SCHEMA))
    await world.reconcile()
    await world.reconcile()
    assert world.woken == [KEY]


# --- outages -------------------------------------------------------------------------------------------------------


async def test_f39_without_the_registry_the_topic_is_ready_all_the_same(world: World) -> None:
    world.cluster.put(contract(schema=SCHEMA, access=ACCESS))
    assert world.registry is not None
    world.registry.down = True
    with pytest.raises(RegistryUnavailableError):
        await world.reconcile()
    assert conditions(world.contract().status) == {
        **ALL_WELL,
        "SchemaReady": ("Unknown", "RegistryUnavailable"),
        "DriftDetected": ("Unknown", "RegistryUnavailable"),
        "Ready": ("Unknown", "RegistryUnavailable"),
    }
    assert world.woken == [KEY]
    world.registry.down = False
    assert conditions(await world.reconcile()) == ALL_WELL


async def test_f30_without_kafka_the_status_says_so_and_what_was_known_stays(world: World) -> None:
    world.cluster.put(contract(schema=SCHEMA, access=ACCESS))
    before = await world.reconcile()
    world.topics.down = world.acls.down = True
    with pytest.raises(KafkaUnavailableError):
        await world.reconcile()
    status = world.contract().status
    assert conditions(status)["TopicReady"] == ("Unknown", "KafkaUnavailable")
    assert conditions(status)["AccessReady"] == ("Unknown", "KafkaUnavailable")
    assert conditions(status)["Ready"] == ("Unknown", "KafkaUnavailable")
    assert (status.topic_id, status.access) == (before.topic_id, before.access)
    world.topics.down = world.acls.down = False
    assert conditions(await world.reconcile()) == ALL_WELL
    assert world.cluster.events == []


async def test_a_contract_with_a_schema_and_no_registry_at_all_says_what_is_missing(world: World) -> None:
    world.registry = None
    world.cluster.put(contract(schema=SCHEMA))
    status = await world.reconcile()
    assert conditions(status)["SchemaReady"] == ("Unknown", "RegistryUnavailable")
    assert conditions(status)["TopicReady"] == ("True", "OK")
    assert "no schema registry is configured" in message(status, "SchemaReady")


# --- what is refused -----------------------------------------------------------------------------------------------


async def test_a_reserved_name_is_refused_and_nothing_is_made(world: World) -> None:
    world.cluster.put(contract(topicName="risk.streamwarden.audit"))
    status = await world.reconcile()
    assert conditions(status)["Accepted"] == ("False", "NameNotAllowed")
    assert conditions(status)["Ready"] == ("False", "NameNotAllowed")
    assert world.topics.topics == {}
    assert [(event.key, event.reason, event.warning) for event in world.cluster.events] == [
        (KEY, "NameNotAllowed", True)
    ]
    await world.reconcile()
    assert len(world.cluster.events) == 1


async def test_f22_of_two_contracts_for_one_topic_the_older_wins(world: World) -> None:
    world.cluster.put(contract(name="a", topicName="risk.urls", partitions=2))
    world.cluster.put(contract(name="b", topicName="risk.urls", partitions=5))
    assert conditions(await world.reconcile("b"))["Accepted"] == ("False", "ResourceConflict")
    assert conditions(await world.reconcile("a")) == ALL_WELL
    assert world.topics.topics["risk.urls"].partitions == 2


async def test_a_topic_of_commands_takes_no_outside_producer(world: World) -> None:
    world.cluster.put(agent())
    world.cluster.put(contract(name="blocks", access={"producers": ["User:web"]}))
    assert conditions(await world.reconcile("blocks"))["Accepted"] == ("False", "UngovernedProducer")
    assert world.acls.acls == set()


async def test_a_contract_that_agents_depend_on_wakes_them_when_it_is_refused_later(world: World) -> None:
    world.cluster.put(contract(name="blocks", access={"producers": ["User:web"]}))
    await world.reconcile("blocks")
    world.cluster.put(agent())
    status = await world.reconcile("blocks")
    assert conditions(status)["TopicReady"] == ("Unknown", "Pending")
    assert len(world.woken) == 2
    assert status.access != ()


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        pytest.param({"partitions": 3}, {"partitions": 2}, "NotSupported", id="F32-partitions-never-shrink"),
        pytest.param({"partitions": 3}, {"partitions": 4}, "NotSupported", id="F35-a-keyed-topic-never-grows"),
        pytest.param({}, {"replicas": 3}, "NotSupported", id="F32-replicas-never-change"),
        pytest.param({}, {"config": {"no.such.key": "1"}}, "InvalidConfig", id="an-unknown-configuration"),
    ],
)
async def test_a_change_that_cannot_be_is_said_and_nothing_changes(
    world: World, before: dict[str, Any], after: dict[str, Any], reason: str
) -> None:
    world.cluster.put(contract(**before))
    await world.reconcile()
    topic = world.topics.topics["risk.urls"]
    world.edit(**after)
    status = await world.reconcile()
    assert conditions(status)["TopicReady"] == ("False", reason)
    assert conditions(status)["Ready"] == ("False", reason)
    assert world.topics.topics["risk.urls"] == topic


async def test_a_topic_without_keys_grows(world: World) -> None:
    world.cluster.put(contract(key="None", partitions=1))
    await world.reconcile()
    world.edit(key="None", partitions=4)
    assert conditions(await world.reconcile()) == ALL_WELL
    assert world.topics.topics["risk.urls"].partitions == 4


async def test_f40_an_incompatible_schema_leaves_the_registered_one(world: World) -> None:
    world.cluster.put(contract(schema=SCHEMA))
    registered = (await world.reconcile()).registered_schema
    world.edit(schema=STRICTER)
    status = await world.reconcile()
    assert conditions(status)["SchemaReady"] == ("False", "InvalidSchema")
    assert conditions(status)["TopicReady"] == ("True", "OK")
    assert status.registered_schema == registered


# --- access --------------------------------------------------------------------------------------------------------


async def test_access_that_leaves_the_spec_is_taken_back_and_foreign_acls_stay(world: World) -> None:
    foreign = Acl("User:web", "TOPIC", "risk.urls", "DESCRIBE_CONFIGS")
    world.acls.acls.add(foreign)
    world.cluster.put(contract(access=ACCESS))
    await world.reconcile()
    world.edit(access={"consumers": ["User:bi"]})
    status = await world.reconcile()
    assert {acl.principal for acl in world.acls.acls - {foreign}} == {"User:bi"}
    assert foreign in world.acls.acls
    assert conditions(status) == ALL_WELL
    world.edit()
    assert (await world.reconcile()).access == ()
    assert world.acls.acls == {foreign}
    assert world.contract().metadata.finalizers == ()


async def test_what_another_contract_gives_too_is_not_taken_back(world: World) -> None:
    world.cluster.put(contract(name="urls", access={"producers": ["User:web"]}))
    world.cluster.put(contract(name="pages", access={"producers": ["User:web"]}))
    await world.reconcile("urls")
    await world.reconcile("pages")
    world.edit("urls")
    await world.reconcile("urls")
    kept = world.contract("pages").spec.access
    assert world.acls.acls == access_acls(INSTALLATION, "risk.pages", kept)


async def test_f8_acls_are_recorded_before_they_are_given(world: World) -> None:
    recorded: list[int] = []

    class Crashing(FakeAcls):
        @override
        async def apply(self, plan: AclPlan) -> None:
            recorded.append(len(world.contract().status.access))
            await super().apply(plan)
            raise KafkaUnavailableError("killed here")

    world.acls = Crashing()
    world.cluster.put(contract(access=ACCESS))
    with pytest.raises(KafkaUnavailableError):
        await world.reconcile()
    assert recorded == [4]
    world.acls = FakeAcls(world.acls.acls)
    world.edit()
    await world.reconcile()
    assert world.acls.acls == set()


# --- drift ---------------------------------------------------------------------------------------------------------


async def test_drift_is_put_back_told_once_and_then_forgotten(world: World) -> None:
    world.cluster.put(contract(schema=SCHEMA, access=ACCESS, config={"retention.ms": 1000}))
    well = await world.reconcile()
    topic, acls = world.topics.topics["risk.urls"], set(world.acls.acls)
    world.topics.topics["risk.urls"] = replace(topic, config={"segment.ms": "1"})
    world.acls.acls.discard(Acl("User:web", "TOPIC", "risk.urls", "WRITE"))
    assert world.registry is not None
    world.registry.levels["risk.urls-value"] = "NONE"

    status = await world.reconcile()

    assert (world.topics.topics["risk.urls"], world.acls.acls) == (topic, acls)
    assert world.registry.levels["risk.urls-value"] == "BACKWARD"
    assert conditions(status) == {**ALL_WELL, "DriftDetected": ("True", "Drifted")}
    told = message(status, "DriftDetected")
    for what in ("set retention.ms=1000, unset segment.ms", "WRITE TOPIC LITERAL risk.urls", "compatibility BACKWARD"):
        assert what in told
    assert [(event.reason, event.message) for event in world.cluster.events] == [("Drifted", told)]
    assert await world.reconcile() == well
    assert len(world.cluster.events) == 1


async def test_an_edit_is_no_drift(world: World) -> None:
    world.cluster.put(contract(config={"retention.ms": 1000}))
    await world.reconcile()
    world.edit(config={"retention.ms": 2000}, access=ACCESS, schema=SCHEMA)
    assert conditions(await world.reconcile()) == ALL_WELL
    assert world.cluster.events == []


async def test_f33_a_deleted_topic_is_made_again_and_the_loss_is_told(world: World) -> None:
    world.cluster.put(contract())
    before = await world.reconcile()
    del world.topics.topics["risk.urls"]
    status = await world.reconcile()
    assert conditions(status)["DriftDetected"] == ("True", "Drifted")
    assert f"deleted and made again (id {before.topic_id}, now {status.topic_id})" in message(status, "DriftDetected")
    assert status.topic_id == world.topics.topics["risk.urls"].topic_id
    assert [event.warning for event in world.cluster.events] == [True]


async def test_f34_a_topic_made_again_by_somebody_else_is_told_and_wakes_its_agents(world: World) -> None:
    world.cluster.put(contract())
    await world.reconcile()
    world.topics.topics["risk.urls"] = Topic("risk.urls", 1, 1, topic_id="another")
    status = await world.reconcile()
    assert conditions(status)["DriftDetected"] == ("True", "Drifted")
    assert status.topic_id == "another"
    assert world.woken == [KEY, KEY]
    assert conditions(await world.reconcile()) == ALL_WELL


async def test_partitions_added_by_somebody_else_cannot_be_put_back_and_are_told_once(world: World) -> None:
    world.cluster.put(contract())
    await world.reconcile()
    world.topics.topics["risk.urls"] = replace(world.topics.topics["risk.urls"], partitions=5)
    for _ in range(2):
        status = await world.reconcile()
        assert conditions(status)["TopicReady"] == ("False", "NotSupported")
        assert conditions(status)["DriftDetected"] == ("True", "Drifted")
    assert "write partitions: 5" in message(status, "DriftDetected")
    assert len(world.cluster.events) == 1


# --- deletion ------------------------------------------------------------------------------------------------------


async def test_by_default_a_deleted_contract_leaves_topic_and_schema_and_takes_back_access(world: World) -> None:
    world.cluster.put(contract(schema=SCHEMA, access=ACCESS))
    await world.reconcile()
    assert world.contract().metadata.finalizers == (FINALIZER,)
    world.delete()
    await world.reconcile()
    assert world.acls.acls == set()
    assert "risk.urls" in world.topics.topics
    assert world.registry is not None
    assert "risk.urls-value" in world.registry.versions
    assert world.cluster.resources == {}


async def test_with_the_policy_delete_topic_and_schema_go_too(world: World) -> None:
    world.cluster.put(contract(schema=SCHEMA, deletionPolicy="Delete"))
    await world.reconcile()
    world.delete()
    await world.reconcile()
    assert world.topics.topics == {}
    assert world.registry is not None
    assert world.registry.versions == {}
    assert world.cluster.resources == {}


async def test_a_topic_that_somebody_else_made_is_not_deleted(world: World) -> None:
    world.cluster.put(contract(deletionPolicy="Delete"))
    await world.reconcile()
    world.topics.topics["risk.urls"] = Topic("risk.urls", 1, 1, topic_id="another")
    world.delete()
    await world.reconcile()
    assert "risk.urls" in world.topics.topics
    assert world.cluster.resources == {}


async def test_a_topic_that_another_contract_claims_is_not_deleted(world: World) -> None:
    world.cluster.put(contract(name="a", topicName="risk.urls", deletionPolicy="Delete"))
    world.cluster.put(contract(name="b", topicName="risk.urls"))
    await world.reconcile("a")
    world.delete("a")
    await world.reconcile("a")
    assert "risk.urls" in world.topics.topics
    assert conditions(await world.reconcile("b")) == ALL_WELL


async def test_f12_a_deletion_that_cannot_reach_kafka_says_how_to_let_go(world: World) -> None:
    world.cluster.put(contract(access=ACCESS))
    await world.reconcile()
    world.delete()
    world.acls.down = True
    for _ in range(2):
        with pytest.raises(KafkaUnavailableError):
            await world.reconcile()
    status = world.contract().status
    assert conditions(status)["Ready"] == ("False", "DeletionBlocked")
    assert ORPHAN in message(status, "Ready")
    assert [event.reason for event in world.cluster.events] == ["DeletionBlocked"]

    world.delete(**{ORPHAN: "true"})
    await world.reconcile()
    assert world.cluster.resources == {}
    assert world.acls.acls != set()
