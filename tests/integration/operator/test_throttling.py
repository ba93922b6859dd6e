"""F38 on a real Kafka: who has used up its quota for changes of topics slows down, and fails nothing else for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_operator.adapters.kafka.quotas import KafkaClientQuotas
from streamwarden_operator.adapters.kafka.topics import KafkaTopics
from streamwarden_operator.errors import KafkaThrottledError, KafkaUnavailableError
from streamwarden_operator.ports import Acl, AclPlan, QuotaPlan, Topic, TopicPlan
from support.kafka_adapters import real_ports

if TYPE_CHECKING:
    from support.stack_fixture import RunningStack

pytestmark = pytest.mark.broker

RATE = 1.0
"""Partitions a second; a broker lets through what eleven seconds allow at once (``quota.window.num``)."""
AT_ONCE = 11
TOO_MANY = 5


async def throttled_user(stack: RunningStack, user: str) -> KafkaTopics:
    """Topics as a user sees them that may change one partition a second, and has no patience."""
    ports, admin = real_ports(stack), KafkaAdmin(stack.operator)
    await ports.users.upsert(user, "p")
    rights = {Acl(f"User:{user}", "TOPIC", user, right, "PREFIXED") for right in ("CREATE", "ALTER", "DELETE")}
    looks = {Acl(f"User:{user}", "TOPIC", user, right, "PREFIXED") for right in ("DESCRIBE", "DESCRIBE_CONFIGS")}
    await ports.acls.apply(AclPlan(add=frozenset(rights | looks)))
    quotas = KafkaClientQuotas(admin)
    await quotas.apply(user, QuotaPlan(set={"controller_mutation_rate": RATE}))
    await quotas.close()
    topics = KafkaTopics(KafkaAdmin(stack.operator.as_user(user, "p"), timeout_s=2))
    async with asyncio.timeout(20):
        while True:
            try:
                await topics.observe([user])
            except KafkaUnavailableError:  # a broker may not know a new password at once
                await asyncio.sleep(0.05)
            else:
                return topics


async def when_it_may(topics: KafkaTopics, name: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await topics.apply(name, TopicPlan(create=Topic(name, 1)))
            except KafkaThrottledError:
                await asyncio.sleep(0.1)
            else:
                return


async def test_f38_changes_of_topics_wait_for_the_time_that_kafka_says_and_looks_do_not(
    stack: RunningStack, unique: str
) -> None:
    topics = await throttled_user(stack, unique)
    large, small = f"{unique}.large", f"{unique}.small"
    await topics.apply(large, TopicPlan(create=Topic(large, AT_ONCE + TOO_MANY)))
    with pytest.raises(KafkaThrottledError, match="controller_mutation_rate") as caught:
        await topics.apply(small, TopicPlan(create=Topic(small, 1)))
    assert 2 < caught.value.retry_after_s <= TOO_MANY + 1
    # Longer than its patience: on a connection that brokers read nothing of, a look would be an outage.
    assert set(await topics.observe([large, small])) == {large}
    await when_it_may(topics, small)
    assert set(await topics.observe([large, small])) == {large, small}
    for name in (large, small):
        await real_ports(stack).topics.delete(name)
