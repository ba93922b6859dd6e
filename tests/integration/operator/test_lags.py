"""Lag of groups, in memory and on the real broker; what only a broker has (transactions, outages) on it alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from streamwarden_kafka.connection import Connection
from streamwarden_operator.adapters.kafka.lags import KafkaLags
from streamwarden_operator.errors import OperatorError
from streamwarden_operator.ports import GroupLag, GroupReads, Topic, TopicPlan
from support.kafka_adapters import fake_ports, real_ports
from support.kafka_tools import Cluster, Right
from support.lag_fakes import FakeLags
from support.operator_harness import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamwarden_operator.ports import Lags
    from support.fakes import FakeOffsets
    from support.kafka_adapters import KafkaPorts
    from support.stack_fixture import OwnStack, RunningStack

WAIT_S = 60.0


@dataclass
class World:
    """Topics and groups of one test."""

    name: str
    kafka: KafkaPorts
    lags: Lags
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def real(self) -> bool:
        return bool(self.properties)

    def reads(self, *topics: str, earliest: bool = True, exact: bool = False) -> GroupReads:
        return GroupReads(f"{self.name}.group", tuple(topics or (self.name,)), earliest, exact)

    async def make(self, topic: str = "", partitions: int = 1) -> str:
        topic = topic or self.name
        await self.kafka.topics.apply(topic, TopicPlan(create=Topic(topic, partitions=partitions)))
        await self.kafka.offsets.observe(self.name, topic)  # waits until its leaders know of it
        return topic

    def write(self, count: int, topic: str = "", partition: int = 0) -> None:
        topic = topic or self.name
        if not self.real:
            ends = cast("FakeOffsets", self.kafka.offsets).ends
            low, high = ends.get((topic, partition), (0, 0))
            ends[topic, partition] = (low, high + count)
            return
        producer = Producer(self.properties)
        for number in range(count):
            producer.produce(topic, f"{number}", "key", partition=partition)
        assert producer.flush(WAIT_S) == 0

    async def commit(self, offset: int, topic: str = "", partition: int = 0) -> None:
        await self.kafka.offsets.commit(self.reads().group, topic or self.name, {partition: (offset, "")})

    async def records(self, reads: GroupReads | None = None) -> int | str:
        """Return the lag, or the words of the error."""
        reads = reads or self.reads()
        found = (await self.lags.read([reads]))[reads]
        return str(found) if isinstance(found, OperatorError) else found.records


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.broker)])
async def world(request: pytest.FixtureRequest, unique: str) -> AsyncIterator[World]:
    """A test's own topics and groups, in memory and on the session's broker."""
    if request.param == "fake":
        ports = fake_ports()
        yield World(unique, ports, FakeLags(cast("Any", ports.topics), cast("Any", ports.offsets)))
        return
    async with _real(request.getfixturevalue("stack"), unique) as made:
        yield made


@pytest.fixture
async def broker(stack: RunningStack, unique: str) -> AsyncIterator[World]:
    """The same on the session's broker alone."""
    async with _real(stack, unique) as made:
        yield made


@pytest.fixture
async def breakable(breakable_stack: OwnStack, unique: str) -> AsyncIterator[World]:
    """The same on a broker that may be killed."""
    async with _real(breakable_stack, unique) as made:
        yield made


class _real:  # noqa: N801  # reads like a function
    def __init__(self, stack: RunningStack, name: str) -> None:
        self._ports = real_ports(stack)
        self._lags = KafkaLags(stack.operator)
        self._world = World(name, self._ports, self._lags, stack.operator_properties)

    async def __aenter__(self) -> World:
        return self._world

    async def __aexit__(self, *_: object) -> None:
        await self._lags.close()
        await cast("Any", self._ports.offsets).close()


# --- the fake and the broker agree ------------------------------------------------------------------------------


async def test_lag_is_what_lies_between_the_committed_offset_and_the_end(world: World) -> None:
    await world.make(partitions=3)
    world.write(5, partition=0)
    world.write(7, partition=2)
    for partition, offset in enumerate((2, 0, 7)):
        await world.commit(offset, partition=partition)
    assert await world.lags.read([world.reads()]) == {world.reads(): GroupLag(3, 3)}
    await world.commit(5)
    assert await world.records() == 0


async def test_a_group_without_offsets_begins_at_the_beginning(world: World) -> None:
    await world.make(partitions=2)
    assert await world.records() == 0
    world.write(4)
    assert await world.records() == 4


async def test_without_offsets_the_lag_of_a_gate_is_not_known(world: World) -> None:
    await world.make()
    world.write(4)
    reads = world.reads(earliest=False)
    assert "has no place in partition 0" in str(await world.records(reads))
    await world.commit(1)
    assert await world.records(reads) == 3


async def test_the_lag_of_several_topics_is_their_sum_and_the_largest_topic_counts(world: World) -> None:
    first, second = await world.make(f"{world.name}.a", 2), await world.make(f"{world.name}.b", 5)
    world.write(2, first)
    world.write(3, second, 4)
    reads = world.reads(first, second)
    assert await world.lags.read([reads]) == {reads: GroupLag(5, 5)}


async def test_a_topic_that_does_not_exist_is_only_its_readers_trouble(world: World) -> None:
    await world.make()
    world.write(1)
    absent = GroupReads(f"{world.name}.other", (f"{world.name}.absent",), earliest=True)
    found = await world.lags.read([absent, world.reads()])
    assert found[world.reads()] == GroupLag(1, 1)
    assert isinstance(found[absent], OperatorError)
    assert f"{world.name}.absent" not in await world.kafka.topics.observe([f"{world.name}.absent"])


async def test_a_deleted_topic_makes_the_lag_unknown(world: World) -> None:
    await world.make()
    world.write(2)
    assert await world.records() == 2
    await world.kafka.topics.delete(world.name)
    async with asyncio.timeout(WAIT_S):
        while isinstance(await world.records(), int):  # noqa: ASYNC110  # the deletion spreads without a signal
            await asyncio.sleep(0.05)


async def test_an_offset_beyond_the_end_is_of_an_earlier_topic(world: World) -> None:
    await world.make()
    world.write(3)
    await world.commit(90)
    assert await world.records() == 3
    assert "has no place" in str(await world.records(world.reads(earliest=False)))


# --- only a broker has these ------------------------------------------------------------------------------------


async def _transactions(broker: World, *batches: int, end: int, abort: bool = False) -> None:
    """Write each batch in a transaction of its own, and wait until their markers show: the end is then as said."""
    producer = Producer({**broker.properties, "transactional.id": f"{broker.name}.{abort}"})
    producer.init_transactions(WAIT_S)
    for count in batches:
        producer.begin_transaction()
        for number in range(count):
            producer.produce(broker.name, f"{number}", "key", partition=0)
        if abort:
            producer.flush(WAIT_S)
            producer.abort_transaction(WAIT_S)
        else:
            producer.commit_transaction(WAIT_S)
    await _ends_at(broker, end)


async def _ends_at(broker: World, end: int) -> None:
    cluster = Cluster(broker.properties)
    await until(lambda: sum(cluster.end_offsets(broker.name).values()) == end)


async def test_markers_are_no_lag_once_they_have_been_looked_at(broker: World) -> None:
    await broker.make()
    await _transactions(broker, 3, end=4)
    await broker.commit(3)  # as containers do that are not ours: last record + 1, and the marker is left
    assert await broker.records() == 1
    assert await broker.records() == 0
    assert await broker.records() == 0


async def test_who_must_be_exact_is_so_at_once(broker: World) -> None:
    await broker.make()
    await _transactions(broker, 3, end=4)
    await broker.commit(3)
    assert await broker.records(broker.reads(exact=True)) == 0
    assert await broker.records() == 0


async def test_a_record_behind_markers_counts(broker: World) -> None:
    await broker.make()
    await _transactions(broker, 3, end=4)
    await broker.commit(3)
    assert await broker.records(broker.reads(exact=True)) == 0
    await _transactions(broker, 1, end=6)
    for _ in range(3):
        assert await broker.records(broker.reads(exact=True)) == 3


async def test_aborted_records_are_no_lag(broker: World) -> None:
    await broker.make()
    await broker.commit(0)
    await _transactions(broker, 20, 20, abort=True, end=42)
    assert await broker.records(broker.reads(exact=True)) == 0
    await _transactions(broker, 1, end=44)
    assert await broker.records(broker.reads(exact=True)) == 44


async def test_a_lag_that_stays_is_looked_into_once_and_stays(broker: World) -> None:
    await broker.make()
    broker.write(2_000)
    await broker.commit(10)
    assert [await broker.records() for _ in range(3)] == [1_990] * 3
    seen = cast("KafkaLags", broker.lags)._seen[broker.reads().group, (broker.name,)]
    assert seen[broker.name, 0].holds_record is True


async def test_many_partitions_of_markers_are_told_from_records_in_one_reading(broker: World) -> None:
    await broker.make(partitions=60)
    producer = Producer({**broker.properties, "transactional.id": broker.name})
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    for partition in range(60):
        producer.produce(broker.name, "x", "key", partition=partition)
    producer.commit_transaction(WAIT_S)
    await _ends_at(broker, 120)
    offsets = {partition: (0 if partition == 7 else 1, "") for partition in range(60)}
    await broker.kafka.offsets.commit(broker.reads().group, broker.name, offsets)
    assert await broker.records() == 61
    assert await broker.records() == 2


async def test_an_open_transaction_is_no_lag_before_it_ends(broker: World) -> None:
    await broker.make()
    await broker.commit(0)
    producer = Producer({**broker.properties, "transactional.id": broker.name})
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    producer.produce(broker.name, "x", "key")
    producer.flush(WAIT_S)
    assert await broker.records() == 0
    producer.commit_transaction(WAIT_S)
    await _ends_at(broker, 2)
    assert await broker.records() == 2


async def test_a_read_uncommitted_group_that_is_ahead_of_an_open_transaction_has_no_lag(broker: World) -> None:
    await broker.make()
    producer = Producer({**broker.properties, "transactional.id": broker.name})
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    producer.produce(broker.name, "x", "key")
    producer.flush(WAIT_S)
    await broker.commit(1)
    assert await broker.records() == 0
    producer.abort_transaction(WAIT_S)


async def test_what_retention_has_deleted_is_no_lag_once_it_has_been_looked_at(
    broker: World, stack: RunningStack
) -> None:
    await broker.make()
    broker.write(5)
    await broker.commit(2)
    cluster = Cluster(stack.operator_properties)
    for future in cluster.admin.delete_records([TopicPartition(broker.name, 0, 5)]).values():
        future.result(WAIT_S)
    assert await broker.records(broker.reads(exact=True)) == 0


async def test_x45_records_that_retention_has_deleted_do_not_count(broker: World, stack: RunningStack) -> None:
    await broker.make()
    broker.write(9)
    await broker.commit(2)
    cluster = Cluster(stack.operator_properties)
    for future in cluster.admin.delete_records([TopicPartition(broker.name, 0, 6)]).values():
        future.result(WAIT_S)
    assert await broker.records() == 3


async def test_new_partitions_are_noticed(broker: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await broker.make()
    assert await broker.records() == 0
    await broker.kafka.topics.apply(broker.name, TopicPlan(grow_to=3))
    broker.write(2, partition=2)
    assert await broker.records() == 0
    monkeypatch.setattr("streamwarden_kafka.wire.ends._KNOWN_FOR_S", 0.0)
    assert await broker.lags.read([broker.reads()]) == {broker.reads(): GroupLag(2, 3)}


async def test_a_topic_that_may_not_be_read_is_only_its_readers_trouble(broker: World, stack: RunningStack) -> None:
    allowed, forbidden = await broker.make(f"{broker.name}.allowed"), await broker.make(f"{broker.name}.forbidden")
    rights = [Right("DESCRIBE", "TOPIC", allowed), Right("DESCRIBE", "GROUP", broker.name, prefixed=True)]
    lags = KafkaLags(Connection.of(Cluster(stack.operator_properties).create_user(broker.name, rights)))
    try:
        reads = [broker.reads(allowed), broker.reads(forbidden)]
        foreign = GroupReads("streamwarden.foreign", (allowed,), earliest=True)
        found = await lags.read([*reads, foreign])
    finally:
        await lags.close()
    assert found[reads[0]] == GroupLag(0, 1)
    assert "TOPIC_AUTHORIZATION_FAILED" in str(found[reads[1]])
    assert "GROUP_AUTHORIZATION_FAILED" in str(found[foreign])


async def test_a_wrong_password_and_an_absent_broker_are_told(stack: RunningStack, unique: str) -> None:
    reads = GroupReads(unique, (unique,), earliest=True)
    for changed, words in (
        ({"sasl.password": "wrong"}, "could not log in at"),
        ({"bootstrap.servers": "127.0.0.1:9"}, "could not connect to 127.0.0.1:9"),
        ({"sasl.mechanism": "OAUTHBEARER"}, "lag cannot be read with 'OAUTHBEARER'"),
    ):
        lags = KafkaLags(Connection.of({**stack.operator_properties, **changed}))
        found = (await lags.read([reads]))[reads]
        await lags.close()
        assert words in str(found)
        assert "wrong" not in str(found)


async def test_a_consumer_of_the_classic_protocol_is_read_like_any_other(broker: World) -> None:
    await broker.make(partitions=2)
    broker.write(3)
    own = {name: value for name, value in broker.properties.items() if name != "partitioner"}
    consumer = Consumer({**own, "group.id": broker.reads().group, "auto.offset.reset": "earliest"})
    consumer.subscribe([broker.name])
    message = None
    async with asyncio.timeout(WAIT_S):
        while message is None:
            message = await asyncio.to_thread(consumer.poll, 0.5)
    await asyncio.to_thread(lambda: consumer.commit(message=message, asynchronous=False))
    assert await broker.records() == 2
    consumer.close()


async def test_f30_a_killed_broker_is_an_outage_that_ends_by_itself(
    breakable: World, breakable_stack: OwnStack
) -> None:
    await breakable.make()
    breakable.write(3)
    await breakable.commit(1)
    assert await breakable.records() == 2
    breakable_stack.kill()
    answers: list[int | str] = []
    async with asyncio.timeout(120):
        while not answers or answers[-1] != 2:
            answers.append(await breakable.records())
            await asyncio.sleep(0.05)
    assert {answer for answer in answers if isinstance(answer, int)} == {2}
    assert len(answers) > 1


async def test_a_broker_that_hangs_is_an_outage_too(breakable_stack: OwnStack, breakable: World) -> None:
    await breakable.make()
    breakable.write(3)
    lags = KafkaLags(breakable_stack.operator, timeout_s=0.5)
    impatient = replace(breakable, lags=lags)
    assert await impatient.records() == 3
    with breakable_stack.silent():
        assert "no answer from" in str(await impatient.records())
        assert "could not connect to" in str(await impatient.records())
    async with asyncio.timeout(60):
        while await impatient.records() != 3:  # noqa: ASYNC110  # the broker gives no signal
            await asyncio.sleep(0.05)
    await lags.close()
