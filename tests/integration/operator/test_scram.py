"""SCRAM users, in memory and on the real broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_operator.adapters.kafka.topics import KafkaTopics
from streamwarden_operator.errors import KafkaUnavailableError
from streamwarden_operator.ports import Acl, AclPlan
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


async def test_deleting_an_absent_user_is_success(kafka: KafkaPorts, unique: str) -> None:
    await kafka.users.delete(unique)
    assert unique not in await kafka.users.observe()


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
    written = capfd.readouterr()
    assert "password" not in f"{caught.value!r}{written.out}{written.err}".replace("sasl.password", "")
