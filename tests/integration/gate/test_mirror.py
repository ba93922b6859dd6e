"""A mirror of a Kafka, with records, places and users, commands nothing: what is signed names the first cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition
from support.gate_world import INSTALLATION, GateWorld, eventually
from support.kafka_tools import Cluster
from support.stack_fixture import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def second_kafka(tmp_path: Path) -> Iterator[Cluster]:
    """Another Kafka, with nothing on it."""
    with running_stack(tmp_path / "second", registry=False) as stack:
        yield Cluster(stack.operator_properties)


def mirrored(world: GateWorld, onto: Cluster, folder: Path) -> GateWorld:
    """Make the same agent on another Kafka: topics with their records, users, and the place that its gates have."""
    there = GateWorld(onto, folder, world.names, world.key, world.cluster_id)
    there.create_topics()
    onto.create_topics(INSTALLATION.guardrails, config={"cleanup.policy": "compact"})
    there.create_users()
    there.write_files()
    shared = world.names.shared
    topics = (world.names.decisions, world.commands, shared.audit, world.policies, INSTALLATION.guardrails)
    for topic in topics:
        found = world.cluster.read_all(topic)
        onto.produce(topic, [(each.key(), each.value(), list(each.headers() or [])) for each in found])
    assert onto.end_offsets(world.names.decisions) == world.cluster.end_offsets(world.names.decisions)
    places = world.cluster.places(world.names.gate_group, world.names.decisions)
    onto.commit(world.names.gate_group, [TopicPartition(p.topic, p.partition, p.offset, p.metadata) for p in places])
    return there


def places_of(world: GateWorld) -> list[tuple[int, int, str | None]]:
    found = world.cluster.places(world.names.gate_group, world.names.decisions)
    return [(each.partition, each.offset, each.metadata) for each in found]


@pytest.mark.long
def test_x83_a_gate_on_a_mirror_believes_nothing_and_commands_nothing(
    world: GateWorld, second_kafka: Cluster, tmp_path: Path
) -> None:
    first = world.start_gate()
    world.wait_in_force()
    world.propose(range(6))
    eventually(lambda: len(world.commanded()) == 6 and world.caught_up(), "six commands")
    first.terminate()
    assert first.wait(30) == 0
    world.propose(range(6, 12))
    places = places_of(world)

    there = mirrored(world, second_kafka, tmp_path / "mirror")
    try:
        gate = there.start_gate()

        def refuses() -> bool:
            ack = there.last_ack()
            return ack is not None and ack.reason == "BadSignature"

        eventually(refuses, "the signed log is refused")
        gate.terminate()
        assert gate.wait(30) == 0
    finally:
        there.close()
    assert {ack.namespace_epoch for ack in there.acks()} == {0}
    assert (len(there.commanded()), len(there.audits()), there.dead_letters()) == (6, 6, [])
    assert places_of(there) == places == places_of(world)

    world.start_gate()
    eventually(lambda: len(world.commanded()) == 12 and world.caught_up(), "all twelve where they were proposed")
    assert sorted(world.commanded()) == sorted(f"page-{number}" for number in range(12))
    world.check_chains()
