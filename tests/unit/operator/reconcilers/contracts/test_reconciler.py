"""The reconciler of contracts over the ports in memory."""

from __future__ import annotations

from typing import Any

import pytest
from streamwarden_operator.desired.acls import access_acls, format_acl
from streamwarden_operator.errors import KafkaThrottledError, KafkaUnavailableError, RegistryUnavailableError
from streamwarden_operator.ports import Acl, AclPlan, TopicPlan
from support.acl_fakes import FakeAcls
from support.contract_world import ACCESS, ALL_WELL, INSTALLATION, KEY, SCHEMA, STRICTER, World, conditions, message
from support.manifests import agent, contract
from typing_extensions import override


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


async def test_f38_a_topic_that_kafka_makes_wait_for_says_so_and_its_next_turn_is_no_earlier(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def throttled(_name: str, _plan: TopicPlan) -> None:
        raise KafkaThrottledError("Kafka makes this user wait: it goes on by itself", retry_after_s=12.5)

    world.cluster.put(contract())
    with monkeypatch.context() as patched:
        patched.setattr(world.topics, "apply", throttled)
        with pytest.raises(KafkaThrottledError) as caught:
            await world.reconcile()
    assert caught.value.retry_after_s == 12.5
    assert conditions(world.contract().status)["TopicReady"] == ("Unknown", "KafkaThrottled")
    assert conditions(await world.reconcile())["TopicReady"] == ("True", "OK")


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
