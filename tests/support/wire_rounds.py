"""Rounds of batches that no library writes, onto the topics of one running loop."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from confluent_kafka import Producer
from streamwarden_contract.verdicts import Unjudged
from streamwarden_kafka.deaths import MOST_SKIPPED
from support.agent_process import pages
from support.gate_decisions import proposals
from support.gate_world import eventually
from support.kafka_tools import WAIT_S
from support.raw_records import RawRecord, RawWriter
from support.wire_fuzz import UNREADABLE, draw_shot
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from support.loop_world import Loop

SHOTS = 40
"""Batches a round."""
SOON_S = 60.0
"""No record stops a gate, or an agent, for longer."""
_DECISIONS = "decisions"
_ENOUGH = MOST_SKIPPED // 2
_DIED = "has died; starting it again"
"""So ends what supervisors and readers say of a death."""


class SkipsLeft:
    """How many ranges a gate may still pass over; more within an hour, and it halts (``TooManySkips``). Pure."""

    def __init__(self, before: int = 0) -> None:
        """Begin with a gate that has passed over none; others have ``before`` it."""
        self._most = before + MOST_SKIPPED
        self._left = MOST_SKIPPED

    def observe(self, skipped: int) -> None:
        """Say how many all gates have passed over, now that nothing waits for this one."""
        self._left = self._most - skipped

    @property
    def enough(self) -> bool:
        """Whether they do for a round; else another gate is to begin."""
        return self._left >= _ENOUGH

    def may_write(self, kind: str) -> bool:
        """Whether the gate would still be within its bound if it had to pass over this and all that was written."""
        return self._left > 0 or kind not in UNREADABLE

    def wrote(self, kind: str) -> None:
        """Count a batch that the broker has taken."""
        self._left -= kind in UNREADABLE


@dataclass
class Rounds:
    """What a seed draws, and what became of it."""

    loop: Loop
    seed: int
    number: int = 0
    written: Counter[str] = field(default_factory=Counter)
    """Batches that the broker has taken, by topic and kind."""
    refused: Counter[str] = field(default_factory=Counter)
    """And those that it has not."""
    held_back: Counter[str] = field(default_factory=Counter)
    """And those that were only drawn, lest the gate's bound of skips stops the round."""
    skipped: int = 0
    """Ranges that gates have passed over."""
    deaths: Counter[str] = field(default_factory=Counter)
    """Causes of deaths of processes that read."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311  # to be had again, not to be secret
        self._agent = RawWriter(self.loop.gate.agent_properties)
        self._anybody = RawWriter(self.loop.gate.cluster.properties)
        self._skips_left = SkipsLeft()

    @override
    def __str__(self) -> str:
        taken, refused, held = (dict(sorted(each.items())) for each in (self.written, self.refused, self.held_back))
        return (
            f"FUZZ_SEED={self.seed}: {self.number} rounds; the broker took {taken}, and refused {refused}; "
            f"held back: {held}; ranges passed over: {self.skipped}; deaths: {dict(self.deaths)}"
        )

    def close(self) -> None:
        self._agent.close()
        self._anybody.close()

    def play(self) -> None:
        """Write a round, see both sides get past it, and let a good decision follow."""
        self.number += 1
        if not self._skips_left.enough:
            self.loop.restart_gate()
            self._skips_left = SkipsLeft(self.skipped)
        before = self.written.copy()
        for _ in range(SHOTS):
            self._shoot()
        last = f"seed {self.seed}, round {self.number}, {dict(self.written - before)}"
        eventually(self._caught_up, f"gate and agent get past what was written ({last})", timeout_s=SOON_S, pause_s=0.2)
        living = self._living()
        assert living == [None, None], (
            f"{last}; gate and agent ended: {living}; the agent's log ends: {self.loop.agent.log_text[-2_000:]}"
        )
        self.deaths = self._count_deaths()
        # An assertion of librdkafka ends processes, and is got past; nothing of ours may.
        assert self.deaths.keys() <= {"SIGABRT"}, last
        self.skipped = self._count_skips()
        self._skips_left.observe(self.skipped)
        self.loop.give_a_good_decision(self.loop.mark())

    def _shoot(self) -> None:
        number, way = self.chance.randrange(1_000), self.chance.random()
        if way < 0.03:
            self._abort(number)
        elif way < 0.7:
            [good] = _raw(proposals([number]))
            self._write(_DECISIONS, self._agent, self.loop.gate.names.decisions, good)
        else:
            [good] = _raw(pages([number]))
            self._write("inputs", self._anybody, self.loop.agent.topic, good)

    def _write(self, name: str, writer: RawWriter, topic: str, good: RawRecord) -> None:
        partition = self.chance.randrange(self.loop.gate.partitions)
        kind, batch = draw_shot(self.chance, good)
        for_gate, what = name == _DECISIONS, f"{name} {kind}"
        if for_gate and not self._skips_left.may_write(kind):
            self.held_back[what] += 1  # it is drawn all the same: what is drawn next goes by the seed alone
        elif writer.write(topic, partition, batch).code:
            self.refused[what] += 1
        else:
            self.written[what] += 1
            if for_gate:
                self._skips_left.wrote(kind)

    def _count_skips(self) -> int:
        since_there_was_nothing = Counter[str]()
        return sum(audit["verdict"] == Unjudged.SKIPPED for audit in self.loop.audits(since_there_was_nothing))

    def _count_deaths(self) -> Counter[str]:
        lines = (*self.loop.gate.log_lines(), *self.loop.agent.log)
        return Counter(line["cause"] for line in lines if line["event"].endswith(_DIED))

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
        self.written[f"{_DECISIONS} aborted"] += 1

    def _caught_up(self) -> bool:
        return self._living() != [None, None] or (self.loop.agent.caught_up() and self.loop.gate.caught_up())

    def _living(self) -> list[int | None]:
        return [process.poll() for process in (*self.loop.gate.processes, *self.loop.agent.processes)]


def _raw(records: Sequence[tuple[bytes | None, bytes | None, list[Any]]]) -> list[RawRecord]:
    return [RawRecord(key, value, [(name.encode(), text) for name, text in headers]) for key, value, headers in records]
