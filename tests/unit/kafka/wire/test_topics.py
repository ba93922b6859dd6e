"""Types of configurations and reassignments over the wire: the bytes are those of Kafka's published messages."""

from __future__ import annotations

import struct
from typing import Any, cast

import pytest
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.wire.topics import describe_config_types, leaving_replicas
from support.quota_messages import NOT_CONTROLLER, Broker, array, string

DESCRIBE_CONFIGS, LIST_REASSIGNMENTS = 32, 46
CLUSTER_NOT_ALLOWED, UNKNOWN_TOPIC = 31, 3
TOPIC = b"\x02"
NULL_ARRAY, NO_FLAG, NO_TAGS = struct.pack(">i", -1), b"\x00", b"\x00"


class Kafka(Broker):
    versions = {DESCRIBE_CONFIGS: (1, 4), LIST_REASSIGNMENTS: (0, 0)}


def config(name: str, value: str | None, kind: int) -> bytes:
    source, synonyms, documentation = b"\x05", array(), string(None)
    return (
        string(name) + string(value) + NO_FLAG + source + NO_FLAG + synonyms + struct.pack(">b", kind) + documentation
    )


def described(*configs: bytes, code: int = 0) -> bytes:
    """DescribeConfigsResponse, version 3."""
    result = struct.pack(">h", code) + string(None) + TOPIC + string("orders") + array(*configs)
    return struct.pack(">i", 0) + array(result)


def compact(text: str) -> bytes:
    return bytes([len(text) + 1]) + text.encode()


def ints(*numbers: int) -> bytes:
    return bytes([len(numbers) + 1]) + b"".join(struct.pack(">i", number) for number in numbers)


def listed(*topics: bytes, code: int = 0) -> bytes:
    """ListPartitionReassignmentsResponse, version 0."""
    return struct.pack(">ih", 0, code) + b"\x00" + bytes([len(topics) + 1]) + b"".join(topics) + NO_TAGS


async def test_the_type_of_each_configuration_is_read() -> None:
    broker = Kafka(described(config("cleanup.policy", "delete", 7), config("a.new.one", None, 99)))
    found = await describe_config_types(cast("Any", broker), "orders")
    assert found == {"cleanup.policy": "LIST", "a.new.one": "UNKNOWN"}
    all_keys = TOPIC + string("orders") + NULL_ARRAY
    assert broker.asked == [(DESCRIBE_CONFIGS, 3, array(all_keys) + NO_FLAG + NO_FLAG)]


async def test_a_broker_that_does_not_know_the_topic_yet_says_nothing() -> None:
    assert await describe_config_types(cast("Any", Kafka(described(code=UNKNOWN_TOPIC))), "orders") == {}


async def test_x42_replicas_that_a_reassignment_takes_away_are_known() -> None:
    moved = struct.pack(">i", 1) + ints(1, 2, 3, 4) + ints(4) + ints(1) + NO_TAGS
    broker = Kafka(listed(compact("orders") + b"\x02" + moved + NO_TAGS))
    found = await leaving_replicas(cast("Any", broker), [("orders", 1), ("orders", 0)], timeout_s=2)
    assert found == {("orders", 1): frozenset({1})}
    topic = compact("orders") + ints(0, 1) + NO_TAGS
    assert broker.asked == [(LIST_REASSIGNMENTS, 0, struct.pack(">i", 2000) + b"\x02" + topic + NO_TAGS)]


async def test_who_may_not_ask_takes_replicas_as_they_are() -> None:
    broker = Kafka(listed(code=CLUSTER_NOT_ALLOWED))
    assert await leaving_replicas(cast("Any", broker), [("orders", 0)], timeout_s=2) == {}


async def test_a_controller_that_moves_is_an_outage() -> None:
    with pytest.raises(BrokerUnavailableError, match="could not list what is being reassigned"):
        await leaving_replicas(cast("Any", Kafka(listed(code=NOT_CONTROLLER))), [("orders", 0)], timeout_s=2)
