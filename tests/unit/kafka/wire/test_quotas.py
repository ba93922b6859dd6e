"""Quotas over the wire: the bytes are those of Kafka's published messages, and a refusal is told from an outage."""

from __future__ import annotations

from typing import Any, cast

import pytest
from aiokafka.errors import IncompatibleBrokerVersion
from streamwarden_kafka.errors import BrokerUnavailableError, KafkaClientError, RequestRefusedError
from streamwarden_kafka.wire.quotas import AlterClientQuotasRequest, alter_user_quotas, describe_user_quotas
from support.quota_messages import (
    ALTER,
    DESCRIBE,
    INVALID_REQUEST,
    NOT_ALLOWED,
    NOT_CONTROLLER,
    Broker,
    altered,
    array,
    described,
    operation,
    quota,
    string,
    user,
)


async def test_a_change_is_the_message_that_kafka_publishes() -> None:
    broker = Broker(altered())
    changes = {"producer_byte_rate": 262_144.0, "consumer_byte_rate": None}
    await alter_user_quotas(cast("Any", broker), "risk.guard.agent", changes)
    operations = array(
        operation("consumer_byte_rate", 0.0, remove=True), operation("producer_byte_rate", 262_144.0, remove=False)
    )
    only_validate = b"\x00"
    assert broker.asked == [(ALTER, 0, array(user("risk.guard.agent") + operations) + only_validate)]


async def test_all_users_are_asked_for_and_no_client_ids() -> None:
    entries = (
        user("risk.guard.agent") + quota("producer_byte_rate", 262_144),
        user(None) + quota("producer_byte_rate", 1),
    )
    broker = Broker(described(*entries))
    assert await describe_user_quotas(cast("Any", broker)) == {"risk.guard.agent": {"producer_byte_rate": 262_144.0}}
    any_name, strict = b"\x02", b"\x01"
    assert broker.asked == [(DESCRIBE, 0, array(string("user") + any_name + string(None)) + strict)]


@pytest.mark.parametrize(
    ("code", "message", "kind", "said"),
    [
        pytest.param(
            NOT_ALLOWED,
            "Cluster authorization failed.",
            RequestRefusedError,
            r".*\(Cluster authorization failed\.\)$",
            id="no-right",
        ),
        pytest.param(INVALID_REQUEST, None, RequestRefusedError, "", id="a-quota-that-it-does-not-know"),
        pytest.param(NOT_CONTROLLER, "moved", BrokerUnavailableError, "", id="the-controller-is-moving"),
    ],
)
async def test_a_refusal_is_told_from_an_outage(
    code: int, message: str | None, kind: type[KafkaClientError], said: str
) -> None:
    change = alter_user_quotas(cast("Any", Broker(altered(code, message))), "a", {"producer_byte_rate": 1.0})
    with pytest.raises(kind, match=f"^could not change the quotas of user 'a': {said}") as caught:
        await change
    assert type(caught.value) is kind
    with pytest.raises(kind, match=f"^could not list the quotas of users: {said}") as caught:
        await describe_user_quotas(cast("Any", Broker(described(code=code, message=message))))
    assert type(caught.value) is kind


def test_a_broker_without_quotas_is_not_asked() -> None:
    with pytest.raises(IncompatibleBrokerVersion):
        AlterClientQuotasRequest("a", {}).prepare({DESCRIBE: (0, 1)})
