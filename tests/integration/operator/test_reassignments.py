"""X42: a topic whose replicas are being moved has those that there will be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka.protocol.admin import AlterPartitionReassignmentsRequest
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # the stubs leave it out
from streamwarden_devstack.stack import KafkaOptions, Stack
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.wire.connections import Wire
from streamwarden_operator.adapters.kafka.topics import KafkaTopics
from streamwarden_operator.plans.topics import plan_topic
from streamwarden_operator.ports import Topic
from support.kafka_tools import WAIT_S, Cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.own_stack


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with Stack(tmp_path, kafka=KafkaOptions(brokers=3), registry=False) as stack:
        yield stack


async def reassign(stack: Stack, topic: str, *brokers: int) -> None:
    wire = Wire(stack.operator, "test", timeout_s=WAIT_S)
    no_tags: dict[int, bytes] = {}
    moved = (topic, [(0, list(brokers), no_tags)], no_tags)
    answer = await (await wire.any_broker()).ask(AlterPartitionReassignmentsRequest(10_000, [moved], no_tags))
    await wire.close()
    assert answer.error_code == 0
    assert [code for _, parts, _ in answer.responses for _, code, _, _ in parts] == [0]


@pytest.mark.long
async def test_x42_replicas_during_a_reassignment_are_those_of_the_target(stack: Stack) -> None:
    cluster = Cluster(stack.operator.librdkafka())
    desired = Topic("orders", 1, replication_factor=2)
    one, two, three = sorted(cluster.admin.list_topics(timeout=WAIT_S).brokers)
    new = NewTopic("orders", num_partitions=1, replica_assignment=[[one, two]], config={"min.insync.replicas": "1"})
    await asyncio.to_thread(cluster.admin.create_topics([new])["orders"].result, WAIT_S)
    await stack.kill_broker(3)  # what comes to it never ends
    await reassign(stack, "orders", one, three)

    async with asyncio.timeout(WAIT_S):
        while True:
            shown = cluster.admin.list_topics("orders", timeout=WAIT_S)
            # Until it is fenced, brokers may name the one that is gone as the one that takes admin requests.
            if len(shown.topics["orders"].partitions[0].replicas) == 3 and three not in shown.brokers:
                break
            await asyncio.sleep(0.05)
    admin = KafkaAdmin(stack.operator, timeout_s=WAIT_S)  # a client from before may still ask the broker that is gone
    found = (await KafkaTopics(admin).observe(["orders"]))["orders"]
    assert found.replication_factor == 2
    assert not plan_topic(desired, found, keyed=True, ours=())
