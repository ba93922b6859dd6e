"""A copy of a cluster ends before it writes; a restore in another cluster goes on there when people say so (X83)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_contract.inventory import InstallationItem, Stage, UserItem, decode_item
from streamwarden_operator.plans.inventory import Place
from support.key_fakes import epoch_of
from support.operator_harness import (
    Harness,
    agent,
    conditions_of,
    on_the_kafka_of,
    running,
    state_of,
    until,
    whole_namespace,
)

if TYPE_CHECKING:
    from streamwarden_contract.models.base import Kind

ORIGINAL = "uid-of-the-original"
GUARD = agent()
READY = ("Accepted", "TopicsReady", "AccessReady")


def made_again(resource: Kind) -> Kind:
    """The same manifest in another cluster."""
    uid = f"again-{resource.metadata.uid}"
    return resource.model_copy(update={"metadata": resource.metadata.model_copy(update={"uid": uid})})


def item_of(harness: Harness, key: str) -> bytes:
    return harness.log.topics["streamwarden.inventory"][key.encode()].value or b""


async def test_a_copy_of_the_cluster_ends_before_it_writes() -> None:
    def copied(harness: Harness) -> None:
        harness.remember(InstallationItem(installation="streamwarden", kubernetes_uid=ORIGINAL))
        harness.place = Place("uid-of-the-copy", former=frozenset({"uid-of-another"}))

    harness = Harness()
    copied(harness)
    harness.controller = harness.new_controller()
    await harness.controller.start()
    await until(harness.controller.lost.is_set)
    said = str(harness.controller.lost_by)
    assert said.startswith(
        "InstallationCloned: the inventory 'streamwarden.inventory' is that of the cluster uid-of-the"
    )
    assert "streamwarden.io/take-over-cluster says 'uid-of-another' now, which is something else. Say so: " in said
    assert said.endswith(
        "kubectl annotate namespace streamwarden --overwrite streamwarden.io/take-over-cluster=" + ORIGINAL
    )
    assert harness.log.writes == []
    await harness.controller.stop()


async def test_a_restore_that_people_have_asked_for_takes_over_and_the_cluster_that_was_left_ends() -> None:
    def restored(harness: Harness) -> None:
        harness.remember(InstallationItem(installation="streamwarden", kubernetes_uid=ORIGINAL))
        harness.place = Place("uid-of-the-restore", former=frozenset({ORIGINAL}))
        harness.controller = harness.new_controller()

    async with running(*whole_namespace(), prepare=restored) as harness:
        assert conditions_of(harness.get(GUARD))["AccessReady"][0] == "True"
        record = harness.log.topics["streamwarden.inventory"][b"installation"]
        kept = decode_item(b"installation", record.value or b"")
        assert isinstance(kept, InstallationItem)
        assert kept.kubernetes_uid == "uid-of-the-restore"
        told = [event.message for event in harness.cluster.events if event.reason == "InstallationTakenOver"]
        assert told == [f"the installation of the cluster {ORIGINAL} goes on in this one, as people have asked"]

        left = on_the_kafka_of(harness)
        left.keys, left.place = harness.keys, Place(ORIGINAL)
        left.controller = left.new_controller()
        before, writes = state_of(harness), len(harness.log.writes)
        await left.controller.start()
        await until(left.controller.lost.is_set)
        assert "is that of the cluster uid-of-the-restore, and this cluster is" in str(left.controller.lost_by)
        assert (state_of(harness), len(harness.log.writes)) == (before, writes)
        await left.controller.stop()


async def test_what_is_made_again_with_other_uids_takes_over_what_its_predecessors_had() -> None:
    """Topics, the gates' place and the users: by their names, and though no Secret of an agent was restored."""
    async with running(*whole_namespace(), prepare=lambda made: setattr(made, "place", Place(ORIGINAL))) as first:
        topics, places = dict(first.topics.topics), dict(first.offsets.committed)
        passwords, epoch = dict(first.users.passwords), epoch_of(first)

    second = on_the_kafka_of(first)
    second.keys, second.place = first.keys, Place("uid-of-the-restore", former=frozenset({ORIGINAL}))
    second.controller = second.new_controller()
    second.put(*(made_again(each) for each in whole_namespace()))
    await second.controller.start()
    second.controller.caches_complete()
    try:
        await second.settle()
        said = conditions_of(second.get(GUARD))
        assert {name: status for name, (status, _) in said.items() if name in READY} == dict.fromkeys(READY, "True")
        assert second.binding().agent_uid == "again-uid-guard"
        assert epoch_of(second) > epoch
        assert (second.topics.topics, second.offsets.committed) == (topics, places)
        assert second.users.passwords.keys() == passwords.keys()
        assert not set(second.users.passwords.values()) & set(passwords.values())
        for user in passwords:
            kept = decode_item(b"user/" + user.encode(), item_of(second, f"user/{user}"))
            assert isinstance(kept, UserItem)
            assert (kept.owner_uid, kept.stage) == ("again-uid-guard", Stage.MADE)
    finally:
        await second.controller.stop()


async def test_a_start_that_may_not_read_which_cluster_it_is_keeps_what_was_known() -> None:
    known = InstallationItem(installation="streamwarden", kubernetes_uid="uid-of-the-original")
    async with running(prepare=lambda harness: harness.remember(known)) as harness:
        record = harness.log.topics["streamwarden.inventory"][b"installation"]
        kept = decode_item(b"installation", record.value or b"")
        assert isinstance(kept, InstallationItem)
        assert kept.kubernetes_uid == "uid-of-the-original"
