"""A delegation token lets in as a user's password does, and outlives it: none of ours has any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_operator.errors import ForbiddenError
from streamwarden_operator.keys import key_of
from streamwarden_operator.reconcilers.agents.login_tries import DOUBTED_S
from support.operator_harness import Harness, agent, running, until, whole_namespace

if TYPE_CHECKING:
    import pytest

USERS = ("risk.guard.agent", "risk.guard.gate")
GUARD = agent()


def told(harness: Harness) -> list[tuple[str, bool]]:
    return [
        (event.message, event.warning) for event in harness.cluster.events if event.reason == "DelegationTokensEnded"
    ]


async def look_later(harness: Harness) -> None:
    access = harness.access
    for user in USERS:
        access.users.tries.last[user] -= DOUBTED_S + 1
    harness.controller.changed(key_of(GUARD))
    await harness.settle()


async def delete(harness: Harness) -> None:
    found = harness.get(GUARD)
    deleted = {"deletion_timestamp": "2026-01-01T00:00:00Z"}
    harness.put(found.model_copy(update={"metadata": found.metadata.model_copy(update=deleted)}))
    await until(lambda: not harness.cluster.list(type(GUARD)))
    await harness.settle()


async def test_tokens_of_a_gates_user_are_ended_and_told() -> None:
    async with running(*whole_namespace()) as harness:
        harness.logins.tokens["risk.guard.gate"] = 2
        await look_later(harness)
        assert harness.logins.tokens == {}
        assert told(harness) == [
            (
                "the user risk.guard.gate had 2 delegation tokens, by which somebody could act as it: they are ended",
                True,
            )
        ]


async def test_tokens_that_an_agent_of_the_name_left_open_no_door_of_the_next_one() -> None:
    async with running(
        *whole_namespace(), prepare=lambda harness: harness.logins.tokens.update({"risk.guard.agent": 1})
    ) as harness:
        assert harness.logins.tokens == {}
        assert len(told(harness)) == 1


async def test_tokens_go_with_their_user() -> None:
    async with running(*whole_namespace()) as harness:
        harness.logins.tokens |= dict.fromkeys(USERS, 1)
        await delete(harness)
        assert (harness.logins.tokens, harness.users.passwords) == ({}, {})


async def test_an_agent_goes_though_its_tokens_cannot_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(*whole_namespace()) as harness:

        async def forbidden(_namespace: str, _name: str) -> None:
            raise ForbiddenError("the API server forbids to get secrets")

        monkeypatch.setattr(harness.cluster, "read_secret", forbidden)
        await delete(harness)
        assert harness.users.passwords == {}
