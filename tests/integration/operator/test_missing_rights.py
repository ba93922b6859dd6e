"""A user that may not look is told so: librdkafka gives it no ACLs, and ends the process that asks for SCRAM users."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.adapters.kafka.policy_log import KafkaPolicyLog
from streamwarden_operator.errors import KafkaForbiddenError, KafkaUnavailableError
from streamwarden_operator.ports import Acl, AclPlan, SignedRecord, Topic, TopicPlan
from support.kafka_adapters import real_ports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.kafka_adapters import KafkaPorts
    from support.stack_fixture import RunningStack

pytestmark = pytest.mark.broker
WAIT_S = 60.0


async def forbidden(ask: Callable[[], Awaitable[object]]) -> KafkaForbiddenError:
    """Return what is said; a user that was made a moment ago may not be let in at first."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                raise AssertionError(f"it was answered: {await ask()}")
            except KafkaForbiddenError as error:
                return error
            except KafkaUnavailableError:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        pytest.param(lambda ports, _: ports.acls.observe(), "could not list the ACLs", id="acls"),
        pytest.param(lambda ports, _: ports.users.observe(), "could not list the SCRAM users", id="all-scram-users"),
        pytest.param(
            lambda ports, name: ports.users.observe([name]), "could not list the SCRAM users", id="one-scram-user"
        ),
        pytest.param(
            lambda ports, name: ports.users.delete(name),
            "could not list the SCRAM users",
            id="one-to-be-deleted",
        ),
    ],
)
async def test_x99_who_may_not_look_at_the_cluster_is_told_so_and_sees_none_missing(
    stack: RunningStack, unique: str, ask: Callable[[KafkaPorts, str], Awaitable[object]], said: str
) -> None:
    granted = real_ports(stack)
    await granted.users.upsert(unique, "password")
    await granted.acls.apply(AclPlan(add=frozenset({Acl(f"User:{unique}.other", "TOPIC", unique, "WRITE")})))
    refused = real_ports(stack, user=unique, password="password")
    error = await forbidden(lambda: ask(refused, unique))
    assert error.reason is ConditionReason.KAFKA_AUTHORIZATION_FAILED
    assert str(error).startswith(said)
    assert "docs/sharing-a-kafka.md" in str(error)
    await granted.acls.apply(AclPlan(add=frozenset({Acl(f"User:{unique}", "CLUSTER", "kafka-cluster", "DESCRIBE")})))
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                assert Acl(f"User:{unique}.other", "TOPIC", unique, "WRITE") in await refused.acls.observe()
                assert unique in await refused.users.observe([unique])
                break
            except KafkaUnavailableError:
                await asyncio.sleep(0.05)


async def test_x99_who_may_not_write_a_log_is_told_so_and_not_that_the_abort_fails_too(
    stack: RunningStack, unique: str
) -> None:
    granted, log_topic = real_ports(stack), f"{unique}.streamwarden.policies"
    await granted.topics.apply(log_topic, TopicPlan(create=Topic(log_topic, partitions=1)))
    await granted.users.upsert(unique, "password")
    rights = (("TOPIC", log_topic, "READ"), ("TRANSACTIONAL_ID", unique, "WRITE"), ("GROUP", unique, "READ"))
    await granted.acls.apply(AclPlan(add=frozenset(Acl(f"User:{unique}", *right, "PREFIXED") for right in rights)))
    log = KafkaPolicyLog(stack.operator.as_user(unique, "password"), transactional_id=unique)
    try:
        error = await forbidden(lambda: log.publish(log_topic, [SignedRecord(b"epoch", b"1", ())]))
        assert error.reason is ConditionReason.KAFKA_AUTHORIZATION_FAILED
        assert "TOPIC_AUTHORIZATION_FAILED" in str(error)
        await granted.acls.apply(AclPlan(add=frozenset({Acl(f"User:{unique}", "TOPIC", log_topic, "WRITE")})))
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    await log.publish(log_topic, [SignedRecord(b"epoch", b"2", ())])
                    break
                except KafkaUnavailableError:
                    await asyncio.sleep(0.05)
        assert {key: each.value for key, each in (await log.read(log_topic)).items()} == {b"epoch": b"2"}
    finally:
        await log.close()


async def test_x99_a_topic_that_may_not_be_looked_at_keeps_nobody_from_the_others_that_are_asked_of_with_it(
    stack: RunningStack, unique: str
) -> None:
    granted, user, mine, other = real_ports(stack), f"ops-{unique}", f"{unique}.mine", f"{unique}.other"
    await granted.users.upsert(user, "password")
    for name in (mine, other):
        await granted.topics.apply(name, TopicPlan(create=Topic(name, 1, 1, {"retention.ms": "60000"})))
    describe = {Acl(f"User:{user}", "TOPIC", name, "DESCRIBE") for name in (mine, other)}
    configs = Acl(f"User:{user}", "TOPIC", mine, "DESCRIBE_CONFIGS")
    await granted.acls.apply(AclPlan(add=frozenset({*describe, configs})))
    limited = real_ports(stack, user=user, password="password").topics
    async with asyncio.timeout(WAIT_S):
        while True:  # rights and users are in force a little later
            with contextlib.suppress(KafkaUnavailableError):
                found, refused = await asyncio.gather(
                    limited.observe([mine]), limited.observe([other]), return_exceptions=True
                )
                if isinstance(found, Mapping):
                    break
            await asyncio.sleep(0.05)
    assert found[mine].config["retention.ms"] == "60000"
    assert isinstance(refused, KafkaForbiddenError)
    assert str(refused).startswith(f"could not look at topic {other!r}")
