"""The TLS listener lets in who trusts its authority and connects by a name of its certificate."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from streamwarden_devstack.stack import KafkaOptions, Stack
from streamwarden_devstack.stack.brokers.identity import OPERATOR
from streamwarden_kafka.connection import Protocol
from support.kafka_tools import Cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from streamwarden_kafka.connection import Connection

pytestmark = pytest.mark.own_stack
TIMEOUT_S = 20
# A connection that was closed, and then that none is left: neither says why.
NO_REASON = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with Stack(tmp_path, kafka=KafkaOptions(tls=True), registry=False) as stack:
        yield stack


def brokers_seen(connection: Connection) -> set[str]:
    found = AdminClient({**connection.librdkafka(), "log_level": 0}).list_topics(timeout=TIMEOUT_S)
    return {f"{one.host}:{one.port}" for one in found.brokers.values()}


def first_error(connection: Connection) -> int:
    """Connect in vain, and give the code of why."""
    codes: list[int] = []

    def said(error: KafkaError) -> None:
        if error.code() not in NO_REASON:
            codes.append(error.code())

    told: Any = {"error_cb": said}
    admin = AdminClient({**connection.librdkafka(), "log_level": 0, **told})
    deadline = time.monotonic() + TIMEOUT_S
    while not codes:
        assert time.monotonic() < deadline
        admin.poll(0.1)
    return codes[0]


def ports(servers: str) -> Iterator[str]:
    return (server.rpartition(":")[2] for server in servers.split(","))


async def test_who_trusts_the_authority_gets_in_and_who_does_not_is_kept_out(stack: Stack) -> None:
    operator = stack.operator
    assert (operator.protocol, bool(operator.ca_location)) == (Protocol.SASL_SSL, True)

    assert await asyncio.to_thread(brokers_seen, operator) == {operator.bootstrap_servers}
    assert await asyncio.to_thread(first_error, replace(operator, ca_location="")) == KafkaError._SSL
    wrong = operator.as_user(operator.username, "wrong")
    assert await asyncio.to_thread(first_error, wrong) == KafkaError._AUTHENTICATION

    # The plain listener stays beside it.
    plain = stack.plain_operator
    assert await asyncio.to_thread(brokers_seen, plain) == {plain.bootstrap_servers}
    assert plain.bootstrap_servers != operator.bootstrap_servers

    # The same address by another name.
    (port,) = ports(operator.bootstrap_servers)
    misnamed = replace(operator, bootstrap_servers=f"127.1:{port}")
    unchecked = replace(misnamed, options={**misnamed.options, "ssl.endpoint.identification.algorithm": "none"})
    assert await asyncio.to_thread(first_error, misnamed) == KafkaError._SSL
    assert await asyncio.to_thread(brokers_seen, unchecked) == {operator.bootstrap_servers}


@pytest.mark.long
async def test_a_user_with_a_certificate_needs_no_password_and_has_the_rights_of_its_name(stack: Stack) -> None:
    operator = stack.certified(OPERATOR)
    await asyncio.to_thread(Cluster(operator.librdkafka()).create_topics, "orders")

    seen = AdminClient({**stack.certified("somebody").librdkafka(), "log_level": 0}).list_topics(timeout=TIMEOUT_S)

    assert list(seen.topics) == []
    # Whether the broker's alert is read before its connection ends hangs on chance, and nothing else is told.
    with pytest.raises(KafkaException):
        await asyncio.to_thread(brokers_seen, replace(operator, options={}))
