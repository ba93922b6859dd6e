"""The broker lets in who it knows, and allows what an ACL allows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from support.kafka_tools import Cluster, Right

if TYPE_CHECKING:
    from support.stack_fixture import RunningStack

TIMEOUT_S = 20


def write(properties: dict[str, str], topic: str) -> KafkaError | None:
    """Produce one record and give the broker's answer: ``None`` when it was taken."""
    answers: list[KafkaError | None] = []
    producer = Producer(properties | {"message.timeout.ms": "15000", "log_level": "0"})
    producer.produce(topic, key="k", value="v", on_delivery=lambda error, _: answers.append(error))
    producer.flush(TIMEOUT_S)
    (answer,) = answers
    return answer


def test_a_user_with_one_write_acl_may_write_its_topic_and_no_other(stack: RunningStack, unique: str) -> None:
    mine, other = f"{unique}.mine", f"{unique}.other"
    cluster = Cluster(stack.operator_properties)
    cluster.create_topics(mine, other)
    properties = cluster.create_user(unique, [Right("WRITE", "TOPIC", mine)])

    refused = write(properties, other)

    assert write(properties, mine) is None
    assert refused is not None
    assert refused.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_a_topic_nobody_made_is_not_made_by_writing_to_it(stack: RunningStack, unique: str) -> None:
    no_patience = {"topic.metadata.propagation.max.ms": "0"}

    refused = write(stack.operator_properties | no_patience, unique)

    assert refused is not None
    assert refused.code() in {KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART}
    assert unique not in Cluster(stack.operator_properties).admin.list_topics(timeout=TIMEOUT_S).topics


@pytest.mark.parametrize(
    ("listener", "mechanism", "user"),
    [
        pytest.param("client", "SCRAM-SHA-512", "streamwarden.operator", id="wrong-password-at-the-clients-listener"),
        pytest.param("client", "SCRAM-SHA-512", "nobody", id="unknown-user-at-the-clients-listener"),
        pytest.param("client", "PLAIN", "streamwarden.broker", id="another-mechanism-at-the-clients-listener"),
        pytest.param("controller", "PLAIN", "streamwarden.broker", id="wrong-password-at-the-controllers-listener"),
        pytest.param("controller", "SCRAM-SHA-512", "streamwarden.operator", id="scram-at-the-controllers-listener"),
    ],
)
def test_who_cannot_prove_a_name_is_refused(stack: RunningStack, listener: str, mechanism: str, user: str) -> None:
    errors: set[int] = set()
    address = stack.bootstrap_servers if listener == "client" else stack.controller_address
    admin = AdminClient(
        {
            "bootstrap.servers": address,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": mechanism,
            "sasl.username": user,
            "sasl.password": "wrong",
            "log_level": "0",
            "error_cb": lambda error: errors.add(error.code()),  # type: ignore[dict-item]  # not in the stubs
        }
    )

    deadline = time.monotonic() + TIMEOUT_S
    while KafkaError._AUTHENTICATION not in errors:
        assert time.monotonic() < deadline, errors
        admin.poll(0.1)
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=0.1)
