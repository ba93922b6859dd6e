"""ACLs, in memory and on the real broker."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from streamwarden_contract.models.topic_contract import Access
from streamwarden_contract.names import AgentNames, InstallationNames
from streamwarden_operator.desired.acls import access_acls, acls_of, agent_acls, gate_acls
from streamwarden_operator.plans.acls import plan_acls
from streamwarden_operator.ports import Acl, AclPlan, Topic, TopicPlan
from support.kafka_adapters import kafka, real_ports

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Message
    from support.kafka_adapters import KafkaPorts
    from support.stack_fixture import RunningStack

INSTALLATION = InstallationNames()

pytestmark = pytest.mark.usefixtures("sole_operator")  # one of them gets a right that operators do not suffer

__all__ = ["kafka"]

TIMEOUT_S = 20


async def test_acls_are_observed_as_they_were_given(kafka: KafkaPorts, unique: str) -> None:
    names = AgentNames(unique, "guard")
    desired = agent_acls(names, [f"{unique}.urls"]) | gate_acls(INSTALLATION, names, [f"{unique}.blocks"])
    await kafka.acls.apply(AclPlan(add=desired))
    assert acls_of(await kafka.acls.observe(), names.agent_principal, names.gate_principal) == desired


@pytest.mark.parametrize(
    "acl",
    [
        pytest.param(Acl("User:{}", "CLUSTER", "kafka-cluster", "ALTER"), id="on-the-cluster"),
        pytest.param(Acl("User:{}", "TOPIC", "*", "ALL"), id="on-every-topic"),
        pytest.param(Acl("User:{}", "GROUP", "team.", "READ", "PREFIXED"), id="on-a-prefix-of-groups"),
        pytest.param(Acl("User:{}", "TOPIC", "orders", "WRITE", denied=True), id="a-deny"),
        pytest.param(Acl("User:{}", "TOPIC", "orders", "WRITE", host="10.0.0.1"), id="from-one-host"),
    ],
)
async def test_foreign_acls_are_seen_and_can_be_taken_away(kafka: KafkaPorts, unique: str, acl: Acl) -> None:
    foreign = Acl(
        acl.principal.format(unique),
        acl.resource_type,
        acl.resource_name,
        acl.operation,
        acl.pattern_type,
        acl.host,
        acl.denied,
    )
    await kafka.acls.apply(AclPlan(add=frozenset({foreign})))
    assert foreign in await kafka.acls.observe()
    await kafka.acls.apply(AclPlan(remove=frozenset({foreign})))
    assert foreign not in await kafka.acls.observe()


async def test_drift_of_an_agents_acls_is_put_back_and_foreign_ones_are_left_alone(
    kafka: KafkaPorts, unique: str
) -> None:
    names = AgentNames(unique, "guard")
    desired = agent_acls(names, [f"{unique}.urls"])
    extra = Acl(f"User:{names.agent_principal}", "TOPIC", f"{unique}.blocks", "WRITE")
    foreign = Acl(f"User:{unique}-web", "TOPIC", f"{unique}.blocks", "WRITE")
    lost = Acl(f"User:{names.agent_principal}", "TOPIC", names.decisions, "WRITE")
    await kafka.acls.apply(AclPlan(add=(desired | {extra, foreign}) - {lost}))

    observed = await kafka.acls.observe()
    plan = plan_acls(desired, observed, acls_of(observed, names.agent_principal))
    assert plan == AclPlan(remove=frozenset({extra}), add=frozenset({lost}))
    await kafka.acls.apply(plan)

    after = await kafka.acls.observe()
    assert acls_of(after, names.agent_principal) == desired
    assert foreign in after
    assert not plan_acls(desired, after, acls_of(after, names.agent_principal))


async def test_applying_a_plan_twice_is_success(kafka: KafkaPorts, unique: str) -> None:
    acl = Acl(f"User:{unique}", "TOPIC", unique, "READ")
    for plan in (AclPlan(add=frozenset({acl})), AclPlan(remove=frozenset({acl}))):
        await kafka.acls.apply(plan)
        first = acls_of(await kafka.acls.observe(), unique)
        assert first == plan.add
        await kafka.acls.apply(plan)
        assert acls_of(await kafka.acls.observe(), unique) == first


# --- what the sets really allow ------------------------------------------------------------------------------------


async def _user(stack: RunningStack, name: str, acls: frozenset[Acl]) -> dict[str, str]:
    ports, password = real_ports(stack), secrets.token_urlsafe(18)
    await ports.users.upsert(name, password)
    await ports.acls.apply(AclPlan(add=acls))
    return stack.operator_properties | {"sasl.username": name, "sasl.password": password}


async def _topics(stack: RunningStack, *names: str) -> None:
    topics = real_ports(stack).topics
    for name in names:
        await topics.apply(name, TopicPlan(create=Topic(name, partitions=1)))


def _into(refusals: list[int]) -> Callable[[KafkaError | None, Message], None]:
    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refusals.append(error.code())

    return delivered


def _write(properties: dict[str, str], topic: str, transactional_id: str) -> int | None:
    """Write one record in a transaction, and return the broker's refusal, None where it took it."""
    refusals: list[int] = []
    producer = Producer({**properties, "transactional.id": transactional_id, "log_level": 0})
    try:
        producer.init_transactions(TIMEOUT_S)
        producer.begin_transaction()
        producer.produce(topic, b"{}", on_delivery=_into(refusals))
        producer.flush(TIMEOUT_S)
        producer.commit_transaction(TIMEOUT_S)
    except KafkaException as error:
        refusals.append(error.args[0].code())
    # negative codes are librdkafka's own, that it gave up what was queued
    return next((code for code in refusals if code > 0), None)


def _read(properties: dict[str, str], topic: str, group: str) -> bytes | int | None:
    """Read the first record with a group, and return its value or the broker's refusal."""
    consumer = Consumer({**properties, "group.id": group, "auto.offset.reset": "earliest", "log_level": 0})
    try:
        consumer.subscribe([topic])
        record = consumer.poll(TIMEOUT_S)
    finally:
        consumer.close()
    if record is None:
        return None
    error = record.error()
    return record.value() if error is None else error.code()


async def test_an_agent_writes_its_decisions_and_not_its_commands(stack: RunningStack, unique: str) -> None:
    names, commands = AgentNames(unique, "guard"), f"{unique}.blocks"
    await _topics(stack, names.decisions, commands)
    properties = await _user(stack, names.agent_principal, agent_acls(names, []))
    transactional_id = names.agent_transactional_id("pod-0")
    assert _write(properties, names.decisions, transactional_id) is None
    assert _write(properties, commands, transactional_id) == KafkaError.TOPIC_AUTHORIZATION_FAILED


async def test_an_agent_cannot_use_its_gates_transactional_id(stack: RunningStack, unique: str) -> None:
    names = AgentNames(unique, "guard")
    await _topics(stack, names.decisions)
    properties = await _user(stack, names.agent_principal, agent_acls(names, []))
    for transactional_id in (names.gate_transactional_id("pod-0"), names.agent_principal, f"{names.agent_principal}x"):
        refusal = _write(properties, names.decisions, transactional_id)
        assert refusal == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


async def test_a_gate_writes_commands_and_no_decisions(stack: RunningStack, unique: str) -> None:
    names, commands = AgentNames(unique, "guard"), f"{unique}.blocks"
    await _topics(stack, names.decisions, commands)
    properties = await _user(stack, names.gate_principal, gate_acls(INSTALLATION, names, [commands]))
    transactional_id = names.gate_transactional_id("pod-0")
    assert _write(properties, commands, transactional_id) is None
    assert _write(properties, names.decisions, transactional_id) == KafkaError.TOPIC_AUTHORIZATION_FAILED


async def test_an_outside_producer_writes_and_an_outside_consumer_only_reads(stack: RunningStack, unique: str) -> None:
    topic, writer, reader = f"{unique}.urls", f"{unique}-web", f"{unique}-bi"
    await _topics(stack, topic)
    access = Access(producers=(f"User:{writer}",), consumers=(f"User:{reader}",))
    acls = access_acls(INSTALLATION, topic, access)
    writing = await _user(stack, writer, acls)
    reading = await _user(stack, reader, frozenset())

    assert _write(writing, topic, f"streamwarden.ext.{writer}.1") is None
    assert _read(reading, topic, f"streamwarden.ext.{reader}.report") == b"{}"
    assert _read(reading, topic, "report") == KafkaError.GROUP_AUTHORIZATION_FAILED
    own_id = f"streamwarden.ext.{reader}.1"
    assert _write(reading, topic, own_id) == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    plain = Producer({**reading, "enable.idempotence": False, "log_level": 0})
    refusals: list[int] = []
    plain.produce(topic, b"{}", on_delivery=_into(refusals))
    plain.flush(TIMEOUT_S)
    assert refusals == [KafkaError.TOPIC_AUTHORIZATION_FAILED]


async def test_x87_a_connection_that_lives_feels_at_once_that_its_rights_are_gone_and_not_that_its_user_is(
    stack: RunningStack, unique: str
) -> None:
    """So ACLs are taken first: the credential alone would leave who is connected as he was."""
    ports, right = real_ports(stack), Acl(f"User:{unique}", "TOPIC", unique, "WRITE")
    await _topics(stack, unique)
    properties = await _user(stack, unique, frozenset({right}))
    producer, refusals = Producer({**properties, "log_level": 0}), list[int]()

    def write() -> int | None:
        producer.produce(unique, b"{}", on_delivery=_into(refusals))
        producer.flush(TIMEOUT_S)
        return refusals[-1] if refusals else None

    assert await asyncio.to_thread(write) is None
    await ports.users.delete(unique)
    assert await asyncio.to_thread(write) is None  # it is still let in
    await ports.acls.apply(AclPlan(remove=frozenset({right})))
    begun_s = time.monotonic()
    while await asyncio.to_thread(write) is None:
        assert time.monotonic() - begun_s < 5
    assert refusals == [KafkaError.TOPIC_AUTHORIZATION_FAILED]
