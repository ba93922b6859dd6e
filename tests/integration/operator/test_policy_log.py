"""The policy log on kfake and on the real broker: one publisher, everything signed, nothing else believed."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer
from streamwarden_contract.models.policy import PolicySpec, Rule
from streamwarden_contract.policylog import (
    KEY_ID_HEADER,
    SIGNATURE_HEADER,
    EpochRecord,
    PolicyRecord,
    decode_record,
    signed_message,
)
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_operator.adapters.kafka import policy_log
from streamwarden_operator.adapters.kafka.policy_log import KafkaPolicyLog
from streamwarden_operator.adapters.kafka.topics import KafkaTopics
from streamwarden_operator.adapters.signing import KeyRing, SigningKey
from streamwarden_operator.desired.policy_log import DesiredLog
from streamwarden_operator.errors import KafkaUnavailableError, LeadershipLostError
from streamwarden_operator.plans.log_plan import sign_plan
from streamwarden_operator.plans.log_state import LogState, verify_log
from streamwarden_operator.plans.policy_log import plan_log
from streamwarden_operator.ports import SignedRecord, Topic, TopicPlan
from support.bombs import deadly_batch
from support.fixtures import APACHE
from support.kafka_tools import Cluster, Right
from support.operator_harness import until
from support.raw_records import RawWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from confluent_kafka import Message
    from support.brokers import Broker

WAIT_S = 30.0
KEY = SigningKey.create()
RING = KeyRing(KEY.public_key)


def desired(**policies: str) -> DesiredLog:
    return DesiredLog(
        valid={name: PolicySpec(rules=(Rule(name="r", require=rule),)) for name, rule in policies.items()}
    )


@pytest.fixture
async def topic(broker: Broker, unique: str) -> str:
    topics = KafkaTopics(KafkaAdmin(broker.operator))
    name = f"{unique}.streamwarden.policies"
    await topics.apply(name, TopicPlan(create=Topic(name, partitions=1, config={"cleanup.policy": "compact"})))
    return name


def write_batch(writer: dict[str, str], topic: str, batch: bytes) -> None:
    with RawWriter(writer) as raw:
        assert raw.write(topic, 0, batch).code == 0


@asynccontextmanager
async def publisher(broker: Broker, topic: str) -> AsyncIterator[KafkaPolicyLog]:
    log = KafkaPolicyLog(broker.operator, transactional_id=f"publisher.{topic}")
    try:
        yield log
    finally:
        await log.close()


def counted_looks(log: KafkaPolicyLog) -> list[bool]:
    """Return what looks for another publisher find from now on."""
    found, look = [], log._fence.is_fenced

    async def counted() -> bool:
        found.append(await look())
        return found[-1]

    log._fence.is_fenced = counted  # type: ignore[method-assign]
    return found


async def state_of(log: KafkaPolicyLog, topic: str) -> LogState:
    records = await log.read(topic)
    return verify_log(records, topic=topic, cluster_id=log.cluster_id, verifier=RING)


async def bring(log: KafkaPolicyLog, topic: str, wanted: DesiredLog) -> LogState:
    plan = plan_log(topic.split(".", maxsplit=1)[0], wanted, await state_of(log, topic))
    await log.publish(topic, sign_plan(plan, topic=topic, cluster_id=log.cluster_id, signer=KEY))
    return await state_of(log, topic)


async def test_what_is_published_reads_back_with_valid_signatures(broker: Broker, topic: str) -> None:
    async with publisher(broker, topic) as log:
        await bring(log, topic, desired(a="true", b="false"))
        await bring(log, topic, desired(a="1 < 2"))
        records = await log.read(topic)
        assert set(records) == {b"policy/a", b"epoch"}
        for key, record in records.items():
            headers = dict(record.headers)
            assert record.value is not None
            message = signed_message(cluster_id=log.cluster_id, topic=topic, key=key, value=record.value)
            assert RING.verify(headers[KEY_ID_HEADER].decode(), headers[SIGNATURE_HEADER], message)
            decoded = decode_record(key, record.value)
            assert decoded.epoch == 2
            if isinstance(decoded, PolicyRecord):
                assert (decoded.name, decoded.revision) == ("a", 3)
            else:
                assert decoded == EpochRecord(epoch=2, revision_counter=3)


async def test_another_process_reads_the_same_log(broker: Broker, topic: str) -> None:
    async with publisher(broker, topic) as log:
        before = await bring(log, topic, desired(a="true"))
    async with publisher(broker, topic) as log:
        assert await state_of(log, topic) == before


@pytest.mark.parametrize("broker", [APACHE], indirect=True)  # the other one takes no such batch
async def test_x07_a_topic_that_a_stranger_has_filled_ends_no_operator_that_looks_at_it(
    broker: Broker, topic: str, unique: str
) -> None:
    cluster, strange = Cluster(broker.operator.librdkafka()), f"{unique}-strange.streamwarden.policies"
    cluster.create_topics(strange)
    writer = cluster.create_user(f"{unique}-writer", [Right("WRITE", "TOPIC", strange)])
    await asyncio.to_thread(write_batch, writer, strange, deadly_batch())
    async with publisher(broker, topic) as log:
        before = await bring(log, topic, desired(a="true"))
        with pytest.raises(KafkaUnavailableError, match=f"could not read '{strange}': 3 processes died of reading"):
            await log.look(strange)
        assert set(await log.look(topic)) == {b"policy/a", b"epoch"}
        assert await state_of(log, topic) == before


async def test_a_second_publisher_fences_the_first_for_good(broker: Broker, topic: str) -> None:
    async with publisher(broker, topic) as first, publisher(broker, topic) as second:
        before = await bring(first, topic, desired(a="true"))
        await second.read(topic)
        with pytest.raises(LeadershipLostError):
            await bring(first, topic, desired(a="false"))
        with pytest.raises(LeadershipLostError):
            await first.read(topic)
        assert await state_of(second, topic) == before
        assert (await bring(second, topic, desired(a="false"))).epoch == 2


async def test_x94_the_first_publish_after_fencing_says_that_another_one_publishes(broker: Broker, topic: str) -> None:
    """The broker's answer comes with the record: a callback that asked it for an offset raised SystemError."""
    async with publisher(broker, topic) as first, publisher(broker, topic) as second:
        before = await bring(first, topic, desired(a="true"))
        await second.read(topic)
        with pytest.raises(
            LeadershipLostError, match=f"could not publish on '{topic}': another operator publishes now"
        ):
            await first.publish(topic, [SignedRecord(b"policy/a", None)])
        assert await state_of(second, topic) == before


@pytest.mark.parametrize("broker", [APACHE], indirect=True)  # aiokafka does not log in at the other one
async def test_x94_whoever_is_fenced_is_told_though_it_writes_nothing(broker: Broker, topic: str) -> None:
    async with publisher(broker, topic) as first, publisher(broker, topic) as second:
        await bring(first, topic, desired(a="true"))
        looks, told = counted_looks(first), asyncio.create_task(first.fenced())
        await until(lambda: looks)
        await bring(first, topic, desired(a="false"))
        looks.clear()
        await until(lambda: len(looks) > 1)
        assert looks == [False, False]  # its own publications are no fencing
        await second.read(topic)
        async with asyncio.timeout(WAIT_S):
            assert isinstance(await told, LeadershipLostError)
        with pytest.raises(LeadershipLostError):
            await first.read(topic)


async def test_who_only_looks_sees_the_same_and_fences_nobody(broker: Broker, topic: str) -> None:
    async with publisher(broker, topic) as first, publisher(broker, topic) as second:
        await bring(first, topic, desired(a="true"))
        assert await second.look(topic) == await first.read(topic)
        assert (await bring(first, topic, desired(a="false"))).epoch == 2


async def test_foreign_records_are_not_believed_and_are_written_over(broker: Broker, topic: str) -> None:
    async with publisher(broker, topic) as log:
        await bring(log, topic, desired(a="false"))
        signed = dict(await log.read(topic))
        foreign = Producer(broker.properties)
        # Without a signature, with the signature of another key's record, and under a key that nobody knows.
        foreign.produce(topic, key=b"policy/a", value=signed[b"policy/a"].value)
        foreign.produce(topic, key=b"policy/b", value=b"{}", headers=list(signed[b"policy/a"].headers))
        foreign.produce(topic, key=b"strange", value=b"x")
        foreign.flush(10)
        state = await state_of(log, topic)
        assert set(state.refused) == {b"policy/a", b"policy/b", b"strange"}
        assert state.policies == {}
        healed = await bring(log, topic, desired(a="false"))
        assert (healed.refused, healed.policies["a"].revision, healed.epoch) == ({}, 2, 2)


async def test_what_was_written_here_is_known_without_being_fetched(
    broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with publisher(broker, topic) as log:
        await bring(log, topic, desired(a="true"))
        with monkeypatch.context() as patched:
            patched.setattr(policy_log, "signed_record", _fail)
            for number in range(3):
                state = await bring(log, topic, desired(a=f"{number} < 9"))
        async with publisher(broker, topic) as other:
            assert await other.look(topic) == await log.read(topic)
        assert (state.epoch, state.policies["a"].spec.rules[0].require) == (4, "2 < 9")


def _fail(message: Message) -> SignedRecord:
    raise AssertionError(f"fetched: {message.key()!r}")


@pytest.mark.parametrize("seed", range(3), ids="seed-{}".format)
async def test_whatever_a_stranger_writes_between_is_seen(broker: Broker, topic: str, seed: int) -> None:
    chance, foreign = random.Random(seed), Producer(broker.properties)  # noqa: S311  # to be had again
    steps = chance.choices(("publish", "read", "stranger"), weights=(4, 3, 2), k=40)
    async with publisher(broker, topic) as log, publisher(broker, topic) as other:
        await log.read(topic)
        for number, step in enumerate([*steps, "read"]):
            match step:
                case "publish":
                    records = [SignedRecord(b"k%d" % chance.randrange(6), b"%d" % number) for _ in range(2)]
                    gone = [SignedRecord(b"k%d" % chance.randrange(6), None)]
                    await log.publish(topic, [*records, *gone][: chance.randrange(1, 4)])
                case "stranger":
                    for _ in range(2):  # one alone could be taken for our marker, while that is not there yet
                        foreign.produce(topic, key=b"k%d" % chance.randrange(6), value=b"s%d" % number)
                    assert foreign.flush(30) == 0
                case _:
                    assert await log.read(topic) == await other.look(topic), (number, steps)


async def test_a_refused_record_leaves_nothing_behind_and_the_next_attempt_works(broker: Broker, topic: str) -> None:
    async with publisher(broker, topic) as log:
        before = await bring(log, topic, desired(a="true"))
        with pytest.raises(Exception, match="publish") as caught:
            await log.publish(topic, [SignedRecord(b"policy/x", b"1"), SignedRecord(b"y", b"0" * 2_000_000)])
        assert type(caught.value).__name__ == "KafkaUnavailableError"
        assert await state_of(log, topic) == before
        assert (await bring(log, topic, desired(a="false"))).epoch == 2


async def test_a_foreign_record_on_a_new_topic_is_seen(broker: Broker, topic: str) -> None:
    foreign = Producer(broker.properties)
    foreign.produce(topic, key=b"policy/a", value=b"{}")
    assert foreign.flush(10) == 0
    async with publisher(broker, topic) as log:
        assert (await state_of(log, topic)).refused == {b"policy/a": "not signed"}
