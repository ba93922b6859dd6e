"""Committed offsets, in memory and on the real broker."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from streamwarden_contract.audit import ChainHead, parse_metadata
from streamwarden_contract.names import AgentNames
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.errors import GroupInUseError, NotReadyError
from streamwarden_operator.plans.offsets import plan_offsets
from streamwarden_operator.ports import PartitionOffsets, Topic, TopicPlan
from support.kafka_adapters import kafka, real_ports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.kafka_adapters import KafkaPorts
    from support.stack_fixture import RunningStack

__all__ = ["kafka"]

LIMIT_S = 20


def consumer_of(stack: RunningStack, group: str) -> Consumer:
    return Consumer({**stack.operator_properties, "group.id": group, "enable.auto.commit": False})


async def until(look: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Return once a look shows it: a commit of a transaction is seen a moment later."""
    async with asyncio.timeout(LIMIT_S):
        while await look() != wanted:  # noqa: ASYNC110  # Kafka tells nobody
            await asyncio.sleep(0.05)


async def test_a_new_topic_gets_its_first_offsets_once(kafka: KafkaPorts, unique: str) -> None:
    names = AgentNames(unique, "guard")
    await kafka.topics.apply(names.decisions, TopicPlan(create=Topic(names.decisions, partitions=3)))
    decisions = (await kafka.topics.observe([names.decisions]))[names.decisions]
    before = await kafka.offsets.observe(names.gate_group, names.decisions)
    assert before == [PartitionOffsets(partition, 0, 0, None) for partition in range(3)]

    await kafka.offsets.commit(names.gate_group, names.decisions, plan_offsets(decisions, before))

    after = await kafka.offsets.observe(names.gate_group, names.decisions)
    head = ChainHead().metadata(decisions.topic_id, 0)
    assert after == [PartitionOffsets(partition, 0, 0, 0, head) for partition in range(3)]
    assert parse_metadata(after[0].metadata, topic_id=decisions.topic_id, offset=0) == ChainHead()
    assert plan_offsets(decisions, after) == {}


@pytest.mark.parametrize("transactional_id", [None, "gate"], ids=["alone", "in a transaction, as gates do"])
async def test_metadata_of_gates_is_read_as_they_have_committed_it(
    stack: RunningStack, unique: str, transactional_id: str | None
) -> None:
    ports, group = real_ports(stack), f"{unique}.group"
    await ports.topics.apply(unique, TopicPlan(create=Topic(unique, partitions=1)))
    head = ChainHead().metadata("id", 0)
    offsets = [TopicPartition(unique, 0, 0, metadata=head)]

    def commit(consumer: Consumer) -> None:
        if transactional_id is None:
            consumer.commit(offsets=offsets, asynchronous=False)
            return
        producer = Producer({**stack.operator_properties, "transactional.id": f"{unique}.{transactional_id}"})
        producer.init_transactions(LIMIT_S)
        producer.begin_transaction()
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata())
        producer.commit_transaction(LIMIT_S)

    with closing(consumer_of(stack, group)) as consumer:
        await asyncio.to_thread(commit, consumer)
    await until(lambda: ports.offsets.observe(group, unique), [PartitionOffsets(0, 0, 0, 0, head)])


async def test_gates_read_metadata_as_it_was_committed(stack: RunningStack, unique: str) -> None:
    ports, group = real_ports(stack), f"{unique}.group"
    await ports.topics.apply(unique, TopicPlan(create=Topic(unique, partitions=200)))
    heads = {number: ChainHead().metadata("x" * (number % 64 + 1), number) for number in range(200)}
    await ports.offsets.commit(group, unique, {number: (number, head) for number, head in heads.items()})

    with closing(consumer_of(stack, group)) as consumer:
        wanted = [TopicPartition(unique, number) for number in heads]
        found = await asyncio.to_thread(consumer.committed, wanted, LIMIT_S)
    assert {each.partition: each.metadata for each in found} == heads


async def test_committing_nothing_does_nothing(kafka: KafkaPorts, unique: str) -> None:
    await kafka.topics.apply(unique, TopicPlan(create=Topic(unique, partitions=1)))
    await kafka.offsets.commit(unique, unique, {})
    assert (await kafka.offsets.observe(unique, unique))[0].committed is None


async def test_records_without_a_committed_offset_are_lost_and_never_guessed(stack: RunningStack, unique: str) -> None:
    ports = real_ports(stack)
    await ports.topics.apply(unique, TopicPlan(create=Topic(unique, partitions=1)))
    producer = Producer(stack.operator_properties)
    producer.produce(unique, b"{}", b"key")
    assert producer.flush(20) == 0

    observed = await ports.offsets.observe(unique, unique)
    assert observed == [PartitionOffsets(0, 0, 1, None)]
    with pytest.raises(NotReadyError, match="partition 0 has had records and no committed offset") as caught:
        plan_offsets(Topic(unique, 1), observed)
    assert caught.value.reason is ConditionReason.OFFSETS_LOST


async def test_keeping_a_group_leaves_its_offsets_and_no_member(kafka: KafkaPorts, unique: str) -> None:
    names = AgentNames(unique, "guard")
    for topic in (names.decisions, f"{unique}.other"):
        await kafka.topics.apply(topic, TopicPlan(create=Topic(topic, partitions=2)))
        await kafka.offsets.commit(names.gate_group, topic, {0: (0, "head")})
    before = await kafka.offsets.observe(names.gate_group, names.decisions)

    await kafka.offsets.keep(names.gate_group, [names.decisions, f"{unique}.other"])

    assert await kafka.offsets.observe(names.gate_group, names.decisions) == before
    # Kafka takes a commit from outside only while the group has no members.
    await kafka.offsets.commit(names.gate_group, names.decisions, {1: (0, "head")})
    assert (await kafka.offsets.observe(names.gate_group, names.decisions))[1].metadata == "head"


async def test_x96_nobody_else_commits_for_a_group_with_members(stack: RunningStack, unique: str) -> None:
    ports = real_ports(stack)
    await ports.topics.apply(unique, TopicPlan(create=Topic(unique, partitions=1)))
    member = Consumer({**stack.operator.librdkafka(), "group.id": unique, "auto.offset.reset": "earliest"})
    joined: list[bool] = []
    member.subscribe([unique], on_assign=lambda *_: joined.append(True))
    try:
        async with asyncio.timeout(30):
            while not joined:
                await asyncio.to_thread(member.poll, 0.1)
        with pytest.raises(GroupInUseError, match="has members"):
            await ports.offsets.commit(unique, unique, {0: (0, "head")})
    finally:
        member.close()
    await ports.offsets.commit(unique, unique, {0: (0, "head")})
