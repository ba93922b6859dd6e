"""What gates report, on the real broker: read as it comes, and taken off the topic when a pod is gone for good."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.acks import GateAck
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.names import NamespaceNames
from streamwarden_gate.acks import Acks, Report
from streamwarden_gate.kafka import plain_producer
from streamwarden_gate.ready import ReadyFile
from streamwarden_gate.snapshot import Identity
from streamwarden_kafka.connection import Connection
from streamwarden_operator.adapters.kafka.gate_acks import KafkaGateAcks
from streamwarden_operator.errors import KafkaUnavailableError
from support.bombs import deadly_batch
from support.kafka_tools import Cluster, Right
from support.operator_harness import until
from support.raw_records import RawWriter

if TYPE_CHECKING:
    from support.stack_fixture import RunningStack


def ack(namespace: str, pod: str) -> GateAck:
    return GateAck(namespace=namespace, agent="guard", agent_uid="u", pod=pod, state="InForce", reported_at_ms=1)


def write_deadly(writer: dict[str, str], topic: str) -> None:
    with RawWriter(writer) as raw:
        assert raw.write(topic, 0, deadly_batch()).code == 0


async def test_a_gate_that_is_forgotten_is_gone_here_and_for_whoever_reads_the_topic(
    stack: RunningStack, unique: str
) -> None:
    cluster, topic = Cluster(stack.operator_properties), NamespaceNames(unique).gates
    cluster.create_topics(topic, config={"cleanup.policy": "compact"})
    cluster.produce(topic, [(ack(unique, pod).key, ack(unique, pod).encode(), ()) for pod in ("a", "b")])
    acks, heard = KafkaGateAcks(stack.operator, group="acks"), list[tuple[str, str, str, bool]]()

    def hear(namespace: str, agent: str, pod: str, found: GateAck | None) -> None:
        heard.append((namespace, agent, pod, found is not None))

    acks.on_ack = hear
    acks.start()
    try:
        acks.watch(unique)
        await until(lambda: [found.pod for found in acks.of_namespace(unique)] == ["a", "b"])
        await acks.forget(unique, "guard", ["b", "never-there"])
        await until(lambda: len(heard) == 4)
        assert [found.pod for found in acks.of_namespace(unique)] == ["a"]
        assert heard[2:] == [(unique, "guard", "b", False), (unique, "guard", "never-there", False)]
        last = {message.key(): message.value() for message in cluster.read_all(topic)}
        assert last == {b"guard/a": ack(unique, "a").encode(), b"guard/b": None, b"guard/never-there": None}
    finally:
        await acks.stop()


async def test_a_gate_whose_ack_is_too_large_for_the_topic_stays_in_force_by_none_of_its_earlier_ones(
    stack: RunningStack, unique: str
) -> None:
    cluster, topic = Cluster(stack.operator_properties), NamespaceNames(unique).gates
    cluster.create_topics(topic, config={"cleanup.policy": "compact", "max.message.bytes": "4000"})
    acks = KafkaGateAcks(stack.operator, group="acks")
    says = Acks(Identity(unique, "guard", "u", "a", "streamwarden"), plain_producer(stack.operator), ReadyFile(None))
    refs = [PolicyRef(namespace=unique, name=f"policy-{number}", revision=1) for number in range(100)]

    def heard(state: str, policies: int) -> bool:
        says.serve()
        return [(ack.state, len(ack.policies)) for ack in acks.of_namespace(unique)] == [(state, policies)]

    acks.start()
    try:
        acks.watch(unique)
        says.report(Report("InForce", policies=tuple(refs[:2])))
        await until(lambda: heard("InForce", 2))
        says.report(Report("InForce", namespace_epoch=2, policies=tuple(refs)))
        await until(lambda: heard("Rejected", 0))
        [ack] = acks.of_namespace(unique)
        assert (ack.reason, ack.namespace_epoch) == ("AckTooLarge", 2)
        says.report(Report("InForce", namespace_epoch=3, policies=tuple(refs[:3])))
        await until(lambda: heard("InForce", 3))
    finally:
        await acks.stop()


async def test_x07_a_batch_that_ends_who_decodes_it_ends_no_operator_and_hides_no_other_gate(
    stack: RunningStack, unique: str
) -> None:
    """Whoever has a gate's password may write any bytes; a tenant can read it in a Secret of their namespace."""
    cluster, other = Cluster(stack.operator_properties), f"{unique}-other"
    for namespace in (unique, other):
        topic = NamespaceNames(namespace).gates
        cluster.create_topics(topic, config={"cleanup.policy": "compact"})
        cluster.produce(topic, [(ack(namespace, "before").key, ack(namespace, "before").encode(), ())])
    topic = NamespaceNames(unique).gates
    writer = cluster.create_user(f"{unique}-writer", [Right("WRITE", "TOPIC", topic)])
    await asyncio.to_thread(write_deadly, writer, topic)
    cluster.produce(topic, [(ack(unique, "after").key, ack(unique, "after").encode(), ())])
    acks = KafkaGateAcks(stack.operator, group="acks")
    acks.start()
    try:
        acks.watch(unique)
        acks.watch(other)
        await until(lambda: acks.complete(unique) and acks.complete(other), 60)
        assert [found.pod for found in acks.of_namespace(unique)] == ["after", "before"]
        assert [found.pod for found in acks.of_namespace(other)] == ["before"]
    finally:
        await acks.stop()


async def test_f30_a_broker_that_does_not_answer_is_an_outage() -> None:
    acks = KafkaGateAcks(Connection("127.0.0.1:9"), group="acks", timeout_s=1.0)
    with pytest.raises(KafkaUnavailableError):
        await acks.forget("risk", "guard", ["a"])
