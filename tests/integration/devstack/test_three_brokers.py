"""Three brokers: one may be gone, and everything that was acknowledged is there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]  # the stubs leave them out
from streamwarden_devstack.stack import KafkaOptions, Stack
from support.kafka_tools import WAIT_S, Cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.own_stack
COUNT = 50


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with Stack(tmp_path, kafka=KafkaOptions(brokers=3), registry=False) as stack:
        yield stack


def write_all(stack: Stack, topic: str, prefix: str) -> int:
    """Write with ``acks=all``; how many were acknowledged."""
    taken: list[object] = []
    producer = Producer({**stack.operator.librdkafka(), "acks": "all", "log_level": 0})
    for number in range(COUNT):
        producer.produce(topic, f"{prefix}{number}", on_delivery=lambda error, _: taken.append(error))
    producer.flush(WAIT_S)
    return taken.count(None)


@pytest.mark.long
async def test_with_one_of_three_brokers_killed_acknowledged_writes_and_transactions_go_on(stack: Stack) -> None:
    cluster = Cluster(stack.operator.librdkafka())
    await asyncio.to_thread(cluster.create_topics, "orders", partitions=3)
    await asyncio.to_thread(cluster.produce, "orders", [(None, b"begun", [])], transactional_id="one")
    topics = cluster.admin.list_topics("orders", timeout=WAIT_S).topics["orders"].partitions.values()
    resource = ConfigResource(ResourceType.TOPIC, "orders")
    (described,) = cluster.admin.describe_configs([resource]).values()
    assert {len(partition.replicas) for partition in topics} == {3}
    assert described.result(WAIT_S)["min.insync.replicas"].value == "2"
    assert await asyncio.to_thread(write_all, stack, "orders", "three-") == COUNT
    _, second, _ = stack.kafka_pids

    await stack.kill_broker(2)
    assert await asyncio.to_thread(write_all, stack, "orders", "two-") == COUNT
    await asyncio.to_thread(cluster.produce, "orders", [(None, b"went on", [])], transactional_id="two")
    assert stack.kafka_pids[1] is None

    await stack.restart_broker(2)
    assert stack.kafka_pids[1] not in {None, second}
    values = {record.value() for record in await asyncio.to_thread(cluster.read_all, "orders")}
    expected = {f"{prefix}{number}".encode() for prefix in ("three-", "two-") for number in range(COUNT)}
    assert values == expected | {b"begun", b"went on"}
