"""SCRAM users, in memory and on the real broker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.connection import SCRAM_SHA_256, SCRAM_SHA_512, Connection, Protocol
from streamwarden_operator.adapters.kafka.logins import KafkaLogins
from streamwarden_operator.adapters.kafka.topics import KafkaTopics
from streamwarden_operator.errors import KafkaLoginError, KafkaUnavailableError
from streamwarden_operator.ports import Acl, AclPlan
from support.delegation_tokens import make_token
from support.kafka_adapters import kafka, real_ports

if TYPE_CHECKING:
    from support.kafka_adapters import KafkaPorts
    from support.stack_fixture import RunningStack

__all__ = ["kafka"]


async def test_a_user_is_seen_until_it_is_deleted(kafka: KafkaPorts, unique: str) -> None:
    assert unique not in await kafka.users.observe()
    await kafka.users.upsert(unique, "first")
    assert unique in await kafka.users.observe()
    await kafka.users.delete(unique)
    assert unique not in await kafka.users.observe()


async def test_users_are_told_of_that_are_asked_for_and_no_others(kafka: KafkaPorts, unique: str) -> None:
    there, other, absent = f"{unique}.a", f"{unique}.b", f"{unique}.c"
    await kafka.users.upsert(there, "first")
    await kafka.users.upsert(there, "second", SCRAM_SHA_256)
    await kafka.users.upsert(other, "first")
    assert await kafka.users.observe({there, absent}) == {there: {SCRAM_SHA_512, SCRAM_SHA_256}}
    assert await kafka.users.observe([]) == {}


async def test_deleting_an_absent_user_is_success(kafka: KafkaPorts, unique: str) -> None:
    await kafka.users.delete(unique)
    assert unique not in await kafka.users.observe()


async def test_a_login_tells_whether_kafka_has_a_password(stack: RunningStack, unique: str) -> None:
    """X87: nothing else does."""
    users, logins = real_ports(stack).users, KafkaLogins(stack.operator, "", timeout_s=5)
    assert not await logins.check(unique, "a password")
    await users.upsert(unique, "a password")
    async with asyncio.timeout(10):
        while not await logins.check(unique, "a password"):  # noqa: ASYNC110  # what is waited for gives no signal
            await asyncio.sleep(0.05)
    assert not await logins.check(unique, "another password")
    await users.delete(unique)


async def test_a_login_without_a_broker_is_an_outage_and_no_refusal() -> None:
    nobody = Connection.scram("127.0.0.1:1", "streamwarden.operator", "p")
    with pytest.raises(KafkaUnavailableError, match=r"could not connect to 127\.0\.0\.1:1"):
        await KafkaLogins(nobody, "", timeout_s=1).check("risk.guard.gate", "p")


async def test_an_operator_that_needs_no_password_does_not_take_everybody_s_for_right(stack: RunningStack) -> None:
    plain = Connection("127.0.0.1:1", Protocol.PLAINTEXT)
    assert not await KafkaLogins(plain, stack.bootstrap_servers, timeout_s=5).check("nobody", "p")


async def test_only_the_last_password_opens_the_door(
    stack: RunningStack, unique: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ports = real_ports(stack)
    await ports.users.upsert(unique, "a first password")
    await ports.users.upsert(unique, "a second password")
    await ports.acls.apply(AclPlan(add=frozenset({Acl(f"User:{unique}", "TOPIC", unique, "DESCRIBE")})))

    def topics(password: str) -> KafkaTopics:
        return KafkaTopics(KafkaAdmin(stack.operator.as_user(unique, password), timeout_s=2))

    assert await topics("a second password").observe([unique]) == {}
    with pytest.raises(KafkaUnavailableError) as caught:
        await topics("a first password").observe([unique])
    assert type(caught.value) is KafkaLoginError  # X99: after a time-out, which is all that the client says by itself
    written = capfd.readouterr()
    assert "password" not in f"{caught.value!r}{written.out}{written.err}".replace("sasl.password", "")


async def test_delegation_tokens_of_a_user_are_ended_by_itself_and_others_stay(
    stack: RunningStack, unique: str
) -> None:
    users, logins = real_ports(stack).users, KafkaLogins(stack.operator, "", timeout_s=5)
    other = f"{unique}-other"
    for user in (unique, other):
        await users.upsert(user, "a password")
        async with asyncio.timeout(20):
            while not await logins.check(user, "a password"):  # noqa: ASYNC110  # what is waited for gives no signal
                await asyncio.sleep(0.05)
        for _ in range(2):
            assert await make_token(stack.operator.as_user(user, "a password")) == 0
    assert await ended_in_the_end(logins, unique) == 2
    assert await logins.end_tokens(unique, "a password") == 0
    assert await ended_in_the_end(logins, other) == 2


async def ended_in_the_end(logins: KafkaLogins, user: str) -> int:
    """Wait for brokers, which hear of a token some milliseconds after the controller has it."""
    ended = 0
    async with asyncio.timeout(20):
        while ended < 2:
            ended += await logins.end_tokens(user, "a password")
            await asyncio.sleep(0.05)
    return ended
