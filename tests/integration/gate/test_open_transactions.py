"""A transaction of the agent that stays open: the gate says what waits behind it, and judges it once it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.partitioner import partition_of
from streamwarden_gate import open_transactions
from support.fixtures import APACHE, KFAKE, proxied_broker
from support.gate_decisions import proposals
from support.gate_log import PARTITIONS
from support.gate_loop_worlds import KafkaWorld
from support.gate_loops import check, step_until, step_until_judged
from support.kafka_tools import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from confluent_kafka import Producer

OPEN, BEHIND = range(10, 13), range(20, 40)
"""What waits in the transaction, and what another producer of the agent writes behind it."""


@pytest.fixture(params=[KFAKE, APACHE])
def world(request: pytest.FixtureRequest, tmp_path: Path, unique: str) -> Iterator[KafkaWorld]:
    """Each of the two in turn."""
    with proxied_broker(request.param, request) as broker:
        made = KafkaWorld(broker, tmp_path / "gate", unique)
        yield made
        for gate in made.gates:
            gate.close()


def abort(_world: KafkaWorld, producer: Producer) -> None:
    producer.abort_transaction(WAIT_S)


def start_its_pod_again(world: KafkaWorld, _producer: Producer) -> None:
    world.begin([]).abort_transaction(WAIT_S)


@pytest.mark.long
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(abort, id="its-producer-aborts-it"),
        pytest.param(start_its_pod_again, id="the-next-producer-of-its-id-ends-it"),
    ],
)
def test_decisions_behind_an_open_transaction_are_told_and_judged_once_it_has_ended(
    world: KafkaWorld, end: Callable[[KafkaWorld, Producer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_transactions, "TOLD_AFTER_S", 1.0)
    gate = world.start_gate()
    world.propose(range(10))
    step_until_judged(world)
    before = world.ends()
    first = min(partition_of(key or b"", PARTITIONS) for key, *_ in proposals(OPEN))
    producer = world.begin(OPEN)
    world.propose(BEHIND)
    words = (
        f"decision partition {first}: a transaction has been open for more than 30 s, and nothing from offset "
        f"{before[first]} on is judged before it ends"
    )
    step_until(world, lambda: gate.reports.said[-1].message.startswith(words), words)
    said = gate.reports.said[-1]
    assert (said.state, said.reason) == ("InForce", "DecisionsInOpenTransaction")
    assert world.committed()[first][0] == before[first]
    end(world, producer)
    step_until(world, lambda: not gate.reports.said[-1].reason, "the gate says no more of it")
    step_until_judged(world)
    check(world, [*range(10), *BEHIND])
