"""What a Kafka says that it can do: enough on all that are supported, too little on one that has no admin requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_kafka.connection import Connection
from streamwarden_operator.adapters.kafka.preflight import check_kafka
from streamwarden_operator.errors import KafkaTooOldError, KafkaUnavailableError
from support.mock_broker import mock_broker

if TYPE_CHECKING:
    from support.brokers import Broker


async def test_a_supported_kafka_can_do_all_that_is_needed(broker: Broker) -> None:
    await check_kafka(broker.operator, timeout_s=10.0)


async def test_f43_a_kafka_that_cannot_is_told_with_what_it_lacks() -> None:
    with mock_broker("any") as properties, pytest.raises(KafkaTooOldError) as refused:
        await check_kafka(Connection.of(properties), timeout_s=10.0)
    assert "it does not answer CreateTopics version 0, since Kafka 0.10.1, to make topics; " in str(refused.value)
    assert "Upgrade its brokers to Kafka 3.9 or later" in str(refused.value)


async def test_a_kafka_that_does_not_answer_is_an_outage_and_not_too_old() -> None:
    with pytest.raises(KafkaUnavailableError):
        await check_kafka(Connection("127.0.0.1:1"), timeout_s=1.0)


@pytest.mark.parametrize("mechanism", ["GSSAPI", "OAUTHBEARER"])
async def test_f43_no_login_is_needed_to_be_told(mechanism: str) -> None:
    login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism, "sasl.oauthbearer.config": "x"}
    with mock_broker("any") as properties, pytest.raises(KafkaTooOldError):
        await check_kafka(Connection.of({**properties, **login}), timeout_s=10.0)
