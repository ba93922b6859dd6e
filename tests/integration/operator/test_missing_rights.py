"""A user that may not look is told so: librdkafka gives it no ACLs, and ends the process that asks for SCRAM users."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.errors import KafkaForbiddenError, KafkaUnavailableError
from streamwarden_operator.ports import Acl, AclPlan
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
