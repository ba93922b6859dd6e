"""Somebody who deletes users that are ours, as Strimzi's User Operator does: told, put back once, never fought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_kafka.connection import SCRAM_SHA_512
from streamwarden_operator.errors import KafkaUnavailableError
from streamwarden_operator.keys import key_of
from streamwarden_operator.reconcilers.agents.deletions import MADE_AGAIN_S
from support.operator_harness import agent, conditions_of, running, whole_namespace

if TYPE_CHECKING:
    from support.operator_harness import Harness

GUARD = agent()
USERS = ("risk.guard.agent", "risk.guard.gate")


async def deleted_by_somebody(harness: Harness, *users: str) -> None:
    """Take users and all their ACLs away, and look at the agent three times."""
    for user in users:
        harness.users.passwords.pop(user, None)
    harness.acls.acls = {acl for acl in harness.acls.acls if acl.principal not in {f"User:{user}" for user in users}}
    for _ in range(3):
        harness.controller.changed(key_of(GUARD))
        await harness.settle()


def told(harness: Harness, reason: str) -> int:
    return sum(event.reason == reason for event in harness.cluster.events)


def made(harness: Harness) -> int:
    return sum(effect[:2] == ("users", "upsert") for effect in harness.effects)


async def test_a_stranger_who_deletes_is_told_put_right_once_and_then_not_fought() -> None:
    async with running(*whole_namespace()) as harness:
        before = made(harness)
        await deleted_by_somebody(harness, *USERS)
        assert (set(harness.users.passwords), made(harness) - before) == (set(USERS), 2)
        assert told(harness, "UsersDeleted") == 1
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK")

        writes = len(harness.effects)
        await deleted_by_somebody(harness, *USERS)
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("False", "ResourceConflict")
        kafka = [effect for effect in harness.effects[writes:] if effect[0] in {"users", "acls", "quotas", "offsets"}]
        assert (kafka, harness.users.passwords) == ([], {})
        assert (told(harness, "UsersDeleted"), told(harness, "ResourceConflict")) == (1, 1)


async def test_once_the_stranger_has_left_an_hour_later_they_are_made_again() -> None:
    async with running(*whole_namespace()) as harness:
        await deleted_by_somebody(harness, USERS[1])
        await deleted_by_somebody(harness, USERS[1])
        assert set(harness.users.passwords) == {USERS[0]}
        users = harness.access.users
        users.deletions.made_again[USERS[1]] -= MADE_AGAIN_S + 1
        harness.controller.changed(key_of(GUARD))
        await harness.settle()
        assert set(harness.users.passwords) == set(USERS)
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK")


async def test_an_agent_that_is_deleted_and_made_again_begins_anew() -> None:
    async with running(*whole_namespace()) as harness:
        await deleted_by_somebody(harness, *USERS)
        users = harness.access.users
        assert set(users.deletions.made_again) == set(USERS)
        ending = {"deletion_timestamp": "2026-01-01T00:00:00Z"}
        found = harness.get(GUARD)
        harness.put(found.model_copy(update={"metadata": found.metadata.model_copy(update=ending)}))
        await harness.settle()
        assert (harness.users.passwords, users.deletions.made_again) == ({}, {})


async def test_a_user_that_kafka_fails_to_make_again_is_made_at_the_next_look_and_nobody_is_blamed() -> None:
    async with running(*whole_namespace()) as harness:
        upsert, answers = harness.users.upsert, [False, True, True]

        async def now_and_then(user: str, password: str, mechanism: str = SCRAM_SHA_512) -> None:
            if not answers.pop(0):
                raise KafkaUnavailableError("no answer from Kafka")
            await upsert(user, password, mechanism)

        harness.users.upsert = now_and_then  # type: ignore[method-assign]
        await deleted_by_somebody(harness, *USERS)
        assert (set(harness.users.passwords), told(harness, "ResourceConflict")) == (set(USERS), 0)
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK")
