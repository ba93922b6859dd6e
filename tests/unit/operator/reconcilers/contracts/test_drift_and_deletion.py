"""What others change of a contract's things, and what is left of them when it is deleted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamwarden_operator.desired.management import ORPHAN
from streamwarden_operator.errors import ForbiddenError, KafkaUnavailableError
from streamwarden_operator.keys import key_of
from streamwarden_operator.ports import Acl, Topic
from streamwarden_operator.reconcilers.contracts.reconciler import FINALIZER
from support.contract_world import ACCESS, ALL_WELL, KEY, SCHEMA, World, conditions, message
from support.manifests import contract

# --- drift ---------------------------------------------------------------------------------------------------------


async def test_drift_is_put_back_told_once_and_then_forgotten(world: World) -> None:
    world.cluster.put(contract(schema=SCHEMA, access=ACCESS, config={"retention.ms": 1000}))
    well = await world.reconcile()
    topic, acls = world.topics.topics["risk.urls"], set(world.acls.acls)
    theirs = {"segment.ms": "1"}  # X81: what the contract does not name, and nobody of ours has set, is theirs
    world.topics.topics["risk.urls"] = replace(topic, config=theirs)
    world.acls.acls.discard(Acl("User:web", "TOPIC", "risk.urls", "WRITE"))
    assert world.registry is not None
    world.registry.levels["risk.urls-value"] = "NONE"

    status = await world.reconcile()

    kept = replace(topic, config={**topic.config, **theirs})
    assert (world.topics.topics["risk.urls"], world.acls.acls) == (kept, acls)
    assert world.registry.levels["risk.urls-value"] == "BACKWARD"
    assert conditions(status) == {**ALL_WELL, "DriftDetected": ("True", "Drifted")}
    told = message(status, "DriftDetected")
    for what in ("set retention.ms=1000;", "WRITE TOPIC LITERAL risk.urls", "compatibility BACKWARD"):
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


FORBIDDEN = "the API server forbids to patch topiccontracts.streamwarden.io 'urls' in namespace 'risk'"


def may_not_patch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **_present: bool) -> None:
        raise ForbiddenError(FORBIDDEN)

    monkeypatch.setattr(world.cluster, "set_finalizer", refuse)


async def test_f16_a_finalizer_that_may_not_be_taken_away_blocks_the_deletion_and_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.cluster.put(contract(access=ACCESS))
    await world.reconcile()
    world.delete()
    may_not_patch(world, monkeypatch)
    for _ in range(2):
        with pytest.raises(ForbiddenError):
            await world.reconcile()
    assert conditions(world.contract().status)["Ready"] == ("False", "DeletionBlocked")
    assert message(world.contract().status, "Ready").startswith(FORBIDDEN)
    assert [event.reason for event in world.cluster.events] == ["DeletionBlocked"]


async def test_f16_a_finalizer_that_may_not_be_set_is_told_and_nothing_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.cluster.put(contract(access=ACCESS))
    may_not_patch(world, monkeypatch)
    for _ in range(2):
        with pytest.raises(ForbiddenError):
            await world.reconcile()
    assert conditions(world.contract().status)["TopicReady"] == ("Unknown", "Forbidden")
    assert [(event.reason, event.message) for event in world.cluster.events] == [("Forbidden", FORBIDDEN)]
    assert "risk.urls" not in world.topics.topics


async def test_a_deletion_of_what_cannot_be_read_undoes_nothing_and_says_how_to_let_go(world: World) -> None:
    put = world.cluster.put(contract(access=ACCESS))
    await world.reconcile()
    given, known = set(world.acls.acls), world.contract()
    world.cluster.make_unreadable(known, deletion_timestamp="2026-03-02T00:00:00Z")
    world.cluster.put(known)  # what was read of it before is still there
    await world.reconcile()
    (event,) = world.cluster.events
    assert event.reason == "DeletionBlocked"
    assert event.message == (
        "not understood by this version of the operator: spec.novelty: not known. The annotation "
        "streamwarden.io/orphan: 'true' lets go and leaves everything outside as it is"
    )
    assert key_of(put) in world.cluster.broken

    world.cluster.make_unreadable(known, deletion_timestamp="2026-03-02T00:00:00Z", annotations={ORPHAN: "true"})
    world.cluster.put(known)
    await world.reconcile()
    assert world.cluster.broken == {}
    assert world.acls.acls == given
