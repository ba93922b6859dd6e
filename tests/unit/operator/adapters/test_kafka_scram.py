"""Users of many agents are made by few requests, and what becomes of one is nobody else's trouble."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs do not export it
    UserScramCredentialUpsertion,
)
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.connection import SCRAM_SHA_512, Connection
from streamwarden_operator.adapters.kafka import scram
from streamwarden_operator.adapters.kafka.scram import KafkaScramUsers
from streamwarden_operator.errors import KafkaForbiddenError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class Broker:
    """An admin client with users behind it, which are shown at the second look at each."""

    def __init__(self) -> None:
        self.users: dict[str, bool] = {}
        """Whether each was looked at since it was made."""
        self.altered: list[int] = []
        """How many changes each request had."""
        self.looks = 0
        self.refused: frozenset[str] = frozenset()

    def poll(self, _timeout: float) -> None:
        """Nothing is queued."""

    def alter_user_scram_credentials(self, alterations: Sequence[Any], **_: object) -> dict[str, Future[Any]]:
        self.altered.append(len(alterations))
        assert len({each.user for each in alterations}) == len(alterations)
        answers: dict[str, Future[Any]] = {}
        for each in alterations:
            known = each.user in self.users
            if each.user in self.refused:
                answers[each.user] = _answer(KafkaError.CLUSTER_AUTHORIZATION_FAILED)
            elif isinstance(each, UserScramCredentialUpsertion):
                self.users[each.user] = False
                answers[each.user] = _answer()
            else:
                self.users.pop(each.user, None)
                answers[each.user] = _answer() if known else _answer(KafkaError.RESOURCE_NOT_FOUND)
        return answers

    async def describe_scram_users(self, _wire: object, users: Collection[str] = ()) -> dict[str, frozenset[str]]:
        self.looks += 1
        shown = {user for user in users if self.users.get(user)}
        self.users.update(dict.fromkeys(set(users) & self.users.keys(), True))
        return dict.fromkeys(shown, frozenset({SCRAM_SHA_512}))


def _answer(code: int = 0) -> Future[Any]:
    future: Future[Any] = Future()
    if code:
        future.set_exception(KafkaException(KafkaError(code, "no")))
    else:
        future.set_result(None)
    return future


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def users(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> KafkaScramUsers:
    monkeypatch.setattr(scram, "describe_scram_users", broker.describe_scram_users)
    admin = KafkaAdmin(Connection("127.0.0.1:1"))
    admin.client = cast("Any", broker)
    return KafkaScramUsers(admin)


async def test_users_of_32_agents_are_made_by_four_requests_and_looked_at_together(
    users: KafkaScramUsers, broker: Broker
) -> None:
    names = [f"risk.a{number}.agent" for number in range(32)]
    await asyncio.gather(*(users.upsert(name, "secret") for name in names))
    assert broker.users == dict.fromkeys(names, True)
    assert broker.altered == [8, 8, 8, 8]
    made = broker.looks
    assert 2 <= made < len(names), "each is looked at twice: how many at once hangs on how fast the process is"

    await asyncio.gather(*(users.delete(name) for name in names))
    assert broker.users == {}
    assert 2 <= broker.looks - made < len(names)


async def test_what_is_refused_of_one_user_is_no_trouble_of_the_others(users: KafkaScramUsers, broker: Broker) -> None:
    broker.refused = frozenset({"b"})
    made = await asyncio.gather(*(users.upsert(name, "secret") for name in "abc"), return_exceptions=True)
    assert [type(each) for each in made] == [type(None), KafkaForbiddenError, type(None)]
    assert set(broker.users) == {"a", "c"}


async def test_two_who_change_one_user_at_once_are_both_heard(users: KafkaScramUsers, broker: Broker) -> None:
    await asyncio.gather(users.upsert("a", "secret"), users.upsert("a", "secret"), users.delete("b"))
    assert broker.altered == [1, 1]
    assert broker.users == {"a": True}
