"""A partition with few decisions does not wait for the backlog of another one."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.partitioner import partition_of
from support.fixtures import APACHE, KFAKE, proxied_broker
from support.gate_log import PARTITIONS
from support.gate_loop_worlds import KafkaWorld
from support.gate_loops import step_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUSY, QUIET = 0, 1
BACKLOG, MOST_BEFORE = 8_000, 4_000
"""What the client holds, two fetches more, and what the gate has in hand: about 2,500."""


@pytest.fixture(params=[KFAKE, APACHE])
def world(request: pytest.FixtureRequest, tmp_path: Path, unique: str) -> Iterator[KafkaWorld]:
    """Each of the two in turn."""
    with proxied_broker(request.param, request) as broker:
        made = KafkaWorld(broker, tmp_path / "gate", unique)
        yield made
        for gate in made.gates:
            gate.close()


def numbers_of(partition: int) -> Iterator[int]:
    return (number for number in range(10**6) if partition_of(f"page-{number}".encode(), PARTITIONS) == partition)


@pytest.mark.long
def test_a_decision_does_not_wait_for_the_backlog_of_another_partition(world: KafkaWorld) -> None:
    (quiet,) = islice(numbers_of(QUIET), 1)
    world.propose_in_small_batches(islice(numbers_of(BUSY), BACKLOG))
    world.start_gate()
    step_until(world, lambda: world.committed()[BUSY][0] >= BACKLOG // 8, "the backlog is being judged")
    position = world.committed()[BUSY][0]
    world.propose([quiet])
    step_until(world, lambda: world.committed()[QUIET][0] == 1, "the other decision is judged")

    judged = [json.loads(value or b"")["decision"] for _, value in world.audits()]
    place = next(number for number, each in enumerate(judged) if each["partition"] == QUIET)
    assert judged[place]["entity"] == f"page-{quiet}"
    before = sum(each["offset"] >= position for each in judged[:place])
    assert before < MOST_BEFORE
