"""Topics, in memory and on the real broker."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.reasons import ConditionReason
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_operator.adapters.kafka.topics import KafkaTopics
from streamwarden_operator.errors import InvalidSpecError, KafkaUnavailableError, UnsupportedChangeError
from streamwarden_operator.plans.topics import plan_topic
from streamwarden_operator.ports import Topic, TopicPlan
from support.kafka_adapters import kafka
from support.topic_configs import CONFIG_TYPES

if TYPE_CHECKING:
    from support.kafka_adapters import KafkaPorts
    from support.stack_fixture import RunningStack

__all__ = ["kafka"]


async def test_an_absent_topic_has_no_entry(kafka: KafkaPorts, unique: str) -> None:
    assert await kafka.topics.observe([unique]) == {}


async def test_observing_nothing_answers_nothing(kafka: KafkaPorts) -> None:
    assert await kafka.topics.observe([]) == {}


async def test_a_created_topic_is_observed_as_it_was_asked_for(kafka: KafkaPorts, unique: str) -> None:
    desired = Topic(unique, partitions=3, config={"retention.ms": "60000", "cleanup.policy": "compact"})
    await kafka.topics.apply(unique, TopicPlan(create=desired))
    found = (await kafka.topics.observe([unique]))[unique]
    assert found.topic_id
    assert replace(found, topic_id="") == replace(desired, replication_factor=1)
    assert not plan_topic(desired, found, keyed=True)


async def test_creating_a_topic_twice_is_success_and_the_first_one_has_made_it(kafka: KafkaPorts, unique: str) -> None:
    plan = TopicPlan(create=Topic(unique, partitions=1))
    assert await kafka.topics.apply(unique, plan) is True
    first = await kafka.topics.observe([unique])
    assert await kafka.topics.apply(unique, plan) is False
    assert await kafka.topics.observe([unique]) == first


async def test_only_existing_topics_of_many_are_observed(kafka: KafkaPorts, unique: str) -> None:
    await kafka.topics.apply(f"{unique}-a", TopicPlan(create=Topic(f"{unique}-a", partitions=1)))
    await kafka.topics.apply(f"{unique}-b", TopicPlan(create=Topic(f"{unique}-b", partitions=2)))
    found = await kafka.topics.observe([f"{unique}-a", f"{unique}-b", f"{unique}-c"])
    assert {name: topic.partitions for name, topic in found.items()} == {f"{unique}-a": 1, f"{unique}-b": 2}


async def test_a_topic_grows_and_its_configuration_is_set_and_unset(kafka: KafkaPorts, unique: str) -> None:
    before = Topic(unique, partitions=1, config={"retention.ms": "60000", "segment.ms": "5000"})
    after = Topic(unique, partitions=4, config={"retention.ms": "70000"})
    await kafka.topics.apply(unique, TopicPlan(create=before))
    plan = plan_topic(after, (await kafka.topics.observe([unique]))[unique], keyed=False)
    await kafka.topics.apply(unique, plan)
    found = (await kafka.topics.observe([unique]))[unique]
    assert (found.partitions, found.config) == (4, {"retention.ms": "70000"})


async def test_x41_what_kafka_writes_otherwise_is_no_difference(kafka: KafkaPorts, unique: str) -> None:
    config = {"cleanup.policy": "compact, delete", "min.cleanable.dirty.ratio": "1"}
    desired = Topic(unique, partitions=1, config=config)
    await kafka.topics.apply(unique, TopicPlan(create=desired))
    found = (await kafka.topics.observe([unique]))[unique]
    assert found.config == {"cleanup.policy": "compact,delete", "min.cleanable.dirty.ratio": "1.0"}
    assert not plan_topic(desired, found, keyed=True)


async def test_x41_a_change_that_kafka_writes_otherwise_is_taken_as_shown(kafka: KafkaPorts, unique: str) -> None:
    await kafka.topics.apply(unique, TopicPlan(create=Topic(unique, partitions=1)))
    await kafka.topics.observe([unique])
    await kafka.topics.apply(unique, TopicPlan(set_config={"cleanup.policy": "compact, delete"}))
    assert (await kafka.topics.observe([unique]))[unique].config == {"cleanup.policy": "compact,delete"}


async def test_types_and_defaults_are_kafkas_own_answers(kafka: KafkaPorts, unique: str) -> None:
    await kafka.topics.apply(unique, TopicPlan(create=Topic(unique, partitions=1, config={"segment.ms": "5000"})))
    found = (await kafka.topics.observe([unique]))[unique]
    assert found.defaults["retention.ms"] == "604800000"
    assert "segment.ms" not in found.defaults
    assert {key: found.config_types[key] for key in CONFIG_TYPES} == CONFIG_TYPES


async def test_a_deleted_topic_is_gone_and_deleting_it_again_is_success(kafka: KafkaPorts, unique: str) -> None:
    await kafka.topics.apply(unique, TopicPlan(create=Topic(unique, partitions=1)))
    await kafka.topics.delete(unique)
    await kafka.topics.delete(unique)
    assert await kafka.topics.observe([unique]) == {}


async def test_a_topic_made_again_has_another_id(kafka: KafkaPorts, unique: str) -> None:
    plan = TopicPlan(create=Topic(unique, partitions=1))
    await kafka.topics.apply(unique, plan)
    first = (await kafka.topics.observe([unique]))[unique].topic_id
    await kafka.topics.delete(unique)
    await kafka.topics.apply(unique, plan)
    assert (await kafka.topics.observe([unique]))[unique].topic_id != first


async def test_an_unknown_configuration_is_the_users_to_change(kafka: KafkaPorts, unique: str) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        await kafka.topics.apply(unique, TopicPlan(create=Topic(unique, partitions=1, config={"no.such.key": "1"})))
    assert caught.value.reason is ConditionReason.INVALID_CONFIG
    assert await kafka.topics.observe([unique]) == {}


async def test_more_replicas_than_brokers_are_the_users_to_change(kafka: KafkaPorts, unique: str) -> None:
    with pytest.raises(InvalidSpecError):
        await kafka.topics.apply(unique, TopicPlan(create=Topic(unique, partitions=1, replication_factor=3)))


async def test_kafka_refuses_a_shrinking_topic_too(kafka: KafkaPorts, unique: str) -> None:
    await kafka.topics.apply(unique, TopicPlan(create=Topic(unique, partitions=3)))
    with pytest.raises(UnsupportedChangeError):
        await kafka.topics.apply(unique, TopicPlan(grow_to=2))


async def test_topics_made_at_the_same_time_each_get_their_own_answer(kafka: KafkaPorts, unique: str) -> None:
    good = [Topic(f"{unique}-{number}", partitions=number + 1) for number in range(5)]
    bad = Topic(f"{unique}-bad", partitions=1, config={"no.such.key": "1"})
    answers = await asyncio.gather(
        *(kafka.topics.apply(topic.name, TopicPlan(create=topic)) for topic in (*good, bad)), return_exceptions=True
    )
    assert answers[:5] == [True] * 5
    assert type(answers[5]) is InvalidSpecError
    found = await asyncio.gather(*(kafka.topics.observe([topic.name]) for topic in (*good, bad)))
    assert [[topic.partitions for topic in topics.values()] for topics in found] == [[1], [2], [3], [4], [5], []]


async def test_f30_a_broker_that_does_not_answer_is_an_outage(
    stack: RunningStack, capfd: pytest.CaptureFixture[str]
) -> None:
    nowhere = replace(stack.operator, bootstrap_servers="127.0.0.1:9")
    topics = KafkaTopics(KafkaAdmin(nowhere, timeout_s=0.5))
    with pytest.raises(KafkaUnavailableError, match=r"could not look at topic 'orders'.*Connection refused"):
        await topics.observe(["orders"])
    written = capfd.readouterr()
    assert stack.operator.password not in written.out + written.err
    assert "%" not in written.err  # librdkafka's own lines begin with it
