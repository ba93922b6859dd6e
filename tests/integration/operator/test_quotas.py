"""Quotas of users, in memory and on the real broker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_operator.adapters.kafka.quotas import KafkaClientQuotas
from streamwarden_operator.errors import KafkaUnavailableError, QuotaRefusedError
from streamwarden_operator.ports import QuotaPlan
from support.kafka_adapters import real_ports
from support.quota_fakes import FakeClientQuotas

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streamwarden_operator.ports import ClientQuotas
    from support.stack_fixture import RunningStack

PRODUCER, CONSUMER, REQUESTS = "producer_byte_rate", "consumer_byte_rate", "request_percentage"


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.broker)])
def make(request: pytest.FixtureRequest) -> Callable[[], FakeClientQuotas | KafkaClientQuotas]:
    """What makes the port: in memory, and on the session's broker."""
    if request.param == "fake":
        return FakeClientQuotas
    stack = cast("RunningStack", request.getfixturevalue("stack"))
    return lambda: KafkaClientQuotas(KafkaAdmin(stack.operator))


@pytest.fixture
async def quotas(make: Callable[[], FakeClientQuotas | KafkaClientQuotas]) -> AsyncIterator[ClientQuotas]:
    made = make()
    yield made
    if isinstance(made, KafkaClientQuotas):
        await made.close()


async def test_quotas_are_observed_as_they_were_set(quotas: ClientQuotas, unique: str) -> None:
    user, wanted = f"{unique}.guard.agent", {PRODUCER: 262_144.0, CONSUMER: 1_048_576.0, REQUESTS: 12.5}
    assert user not in await quotas.observe()
    await quotas.apply(user, QuotaPlan(set=wanted))
    assert (await quotas.observe())[user] == wanted
    await quotas.apply(user, QuotaPlan(set=wanted))
    assert (await quotas.observe())[user] == wanted


async def test_what_a_plan_does_not_name_stays(quotas: ClientQuotas, unique: str) -> None:
    await quotas.apply(unique, QuotaPlan(set={PRODUCER: 262_144.0, REQUESTS: 50.0}))
    await quotas.apply(unique, QuotaPlan(set={CONSUMER: 65_536.0}, unset=frozenset({REQUESTS})))
    assert (await quotas.observe())[unique] == {PRODUCER: 262_144.0, CONSUMER: 65_536.0}


async def test_the_last_quota_can_be_taken_away_twice(quotas: ClientQuotas, unique: str) -> None:
    await quotas.apply(unique, QuotaPlan(set={PRODUCER: 262_144.0}))
    for _ in range(2):
        await quotas.apply(unique, QuotaPlan(unset=frozenset({PRODUCER})))
        assert unique not in await quotas.observe()


async def refusal_of(quotas: ClientQuotas) -> QuotaRefusedError:
    """Wait for it: a broker may not know a new password at once."""
    async with asyncio.timeout(20):
        while True:
            try:
                await quotas.observe()
            except QuotaRefusedError as error:
                return error
            except KafkaUnavailableError:
                await asyncio.sleep(0.05)


async def test_who_lacks_the_right_is_told_what_to_grant(stack: RunningStack, unique: str) -> None:
    await real_ports(stack).users.upsert(unique, "p")
    quotas = KafkaClientQuotas(KafkaAdmin(stack.operator.as_user(unique, "p"), timeout_s=5))
    try:
        listed = str(await refusal_of(quotas))
        with pytest.raises(QuotaRefusedError) as changed:
            await quotas.apply("x", QuotaPlan(set={PRODUCER: 262_144.0}))
    finally:
        await quotas.close()
    assert listed.startswith("could not list the quotas of users: ")
    assert str(changed.value).startswith("could not change the quotas of user 'x': ")
    for said in (listed, str(changed.value)):
        assert "Grant the operator's user DescribeConfigs and AlterConfigs on the cluster" in said
