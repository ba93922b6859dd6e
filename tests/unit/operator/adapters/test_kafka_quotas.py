"""What brokers say of quotas becomes our errors, and a change is shown before it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.adapters.kafka.quotas import KafkaClientQuotas
from streamwarden_operator.errors import KafkaUnavailableError, QuotaRefusedError
from streamwarden_operator.ports import QuotaPlan
from support.quota_messages import ALTER, DESCRIBE, NOT_ALLOWED, NOT_CONTROLLER, Broker, altered, described, quota, user

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

USER = "risk.guard.agent"
LIMITED = QuotaPlan(set={"producer_byte_rate": 262_144.0})


class Admin:
    """Asks again until it is shown."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def wire(self, _client_id: str) -> Broker:
        return self._broker

    def guard(self) -> None:
        """Nothing is in the way."""

    async def until(self, holds: Callable[[], Awaitable[bool]], _what: str) -> None:
        while not await holds():
            pass


def over(broker: Broker) -> KafkaClientQuotas:
    return KafkaClientQuotas(cast("Any", Admin(broker)))


async def test_a_change_is_done_once_a_broker_shows_it() -> None:
    shown = described(user(USER) + quota("producer_byte_rate", 262_144))
    broker = Broker(altered(), described(), shown)
    await over(broker).apply(USER, LIMITED)
    assert [key for key, _, _ in broker.asked] == [ALTER, DESCRIBE, DESCRIBE]


async def test_a_plan_without_changes_asks_nothing() -> None:
    broker = Broker()
    await over(broker).apply(USER, QuotaPlan())
    assert broker.asked == []


async def test_a_refusal_says_what_to_grant() -> None:
    quotas = over(Broker(described(code=NOT_ALLOWED), altered(NOT_ALLOWED)))
    grant = r".*\. Grant the operator's user DescribeConfigs and AlterConfigs on the cluster"
    with pytest.raises(QuotaRefusedError, match=rf"^could not list the quotas of users: {grant}") as listed:
        await quotas.observe()
    with pytest.raises(QuotaRefusedError, match=rf"^could not change the quotas of user '{USER}': {grant}"):
        await quotas.apply(USER, LIMITED)
    assert listed.value.reason is ConditionReason.QUOTA_REFUSED


async def test_an_outage_is_one() -> None:
    quotas = over(Broker(altered(NOT_CONTROLLER)))
    with pytest.raises(KafkaUnavailableError) as caught:
        await quotas.apply(USER, LIMITED)
    assert type(caught.value) is KafkaUnavailableError
