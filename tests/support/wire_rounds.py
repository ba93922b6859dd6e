"""Rounds of batches that no library writes, onto the topics of one running loop."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from confluent_kafka import Producer
from support.agent_process import pages
from support.gate_decisions import proposals
from support.gate_world import eventually
from support.kafka_tools import WAIT_S
from support.raw_records import RawRecord, RawWriter
from support.wire_fuzz import draw_shot
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from support.loop_world import Loop

SHOTS = 40
"""Batches a round."""
SOON_S = 60.0
"""No record stops a gate, or an agent, for longer."""


@dataclass
class Rounds:
    """What a seed draws, and what became of it."""

    loop: Loop
    seed: int
    without: Collection[str] = ()
    """Kinds that are not drawn."""
    number: int = 0
    written: Counter[str] = field(default_factory=Counter)
    """Batches that the broker has taken, by topic and kind."""
    refused: Counter[str] = field(default_factory=Counter)
    """And those that it has not."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311  # to be had again, not to be secret
        self._agent = RawWriter(self.loop.gate.agent_properties)
        self._anybody = RawWriter(self.loop.gate.cluster.properties)

    @override
    def __str__(self) -> str:
        taken, refused = dict(sorted(self.written.items())), dict(sorted(self.refused.items()))
        return f"FUZZ_SEED={self.seed}: {self.number} rounds; the broker took {taken}, and refused {refused}"

    def close(self) -> None:
        self._agent.close()
        self._anybody.close()

    def play(self) -> None:
        """Write a round, see both sides get past it, and let a good decision follow."""
        self.number += 1
        before = self.written.copy()
        for _ in range(SHOTS):
            self._shoot()
        last = f"seed {self.seed}, round {self.number}, {dict(self.written - before)}"
        eventually(self._caught_up, f"gate and agent get past what was written ({last})", timeout_s=SOON_S, pause_s=0.2)
        living = self._living()
        assert living == [None, None], (
            f"{last}; gate and agent ended: {living}; the agent's log ends: {self.loop.agent.log_text[-2_000:]}"
        )
        self.loop.give_a_good_decision(self.loop.mark())

    def _shoot(self) -> None:
        number, way = self.chance.randrange(1_000), self.chance.random()
        if way < 0.03:
            self._abort(number)
        elif way < 0.7:
            [good] = _raw(proposals([number]))
            self._write("decisions", self._agent, self.loop.gate.names.decisions, good)
        else:
            [good] = _raw(pages([number]))
            self._write("inputs", self._anybody, self.loop.agent.topic, good)

    def _write(self, name: str, writer: RawWriter, topic: str, good: RawRecord) -> None:
        partition = self.chance.randrange(self.loop.gate.partitions)
        kind, batch = draw_shot(self.chance, good, without=self.without)
        answer = writer.write(topic, partition, batch)
        (self.refused if answer.code else self.written)[f"{name} {kind}"] += 1

    def _abort(self, number: int) -> None:
        """Write good decisions in a transaction, and take them back."""
        transactional_id = self.loop.gate.names.agent_transactional_id("fuzz")
        producer = Producer({**self.loop.gate.agent_properties, "transactional.id": transactional_id})
        producer.init_transactions(WAIT_S)
        producer.begin_transaction()
        for key, value, headers in proposals(range(number, number + 3)):
            producer.produce(self.loop.gate.names.decisions, value, key, headers=headers)
        producer.flush(WAIT_S)
        producer.abort_transaction(WAIT_S)
        self.written["decisions aborted"] += 1

    def _caught_up(self) -> bool:
        return self._living() != [None, None] or (self.loop.agent.caught_up() and self.loop.gate.caught_up())

    def _living(self) -> list[int | None]:
        return [process.poll() for process in (*self.loop.gate.processes, *self.loop.agent.processes)]


def _raw(records: Sequence[tuple[bytes | None, bytes | None, list[Any]]]) -> list[RawRecord]:
    return [RawRecord(key, value, [(name.encode(), text) for name, text in headers]) for key, value, headers in records]
