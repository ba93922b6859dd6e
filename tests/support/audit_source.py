"""A Kafka in memory, as a verification sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamwarden_cli.audit.source import AbsentError, AuditReadError, Committed, Log, Record, StalledError
from streamwarden_contract.audit import audit_key
from streamwarden_contract.names import AgentNames
from support.audit_records import DECISIONS, ID, PARTITION, TOPIC, build_chain, judge, values_of
from support.gate_log import AGENT, NAMESPACE, PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from streamwarden_contract.audit import ChainHead

GROUP = AgentNames(NAMESPACE, AGENT).gate_group


@dataclass
class MemorySource:
    """Implements ``AuditSource``."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    """Partitions by topic."""
    ids: dict[str, str] = field(default_factory=dict)
    lows: dict[tuple[str, int], int] = field(default_factory=dict)
    offsets: dict[str, dict[int, Committed]] = field(default_factory=dict)
    later: dict[str, dict[int, Committed]] = field(default_factory=dict)
    """What is committed once topics have been read."""
    failing: dict[str, AuditReadError] = field(default_factory=dict)
    """By topic (to describe it), group, or ``read <topic>``."""
    markers: frozenset[int] = frozenset()
    """Offsets at which no record lies, whatever records say of themselves."""

    def topics(self) -> Mapping[str, Sequence[int]]:
        return {name: range(count) for name, count in self.counts.items() if name not in self.failing}

    def partitions(self, topic: str) -> Sequence[int]:
        self._fail(topic)
        if topic not in self.counts:
            raise AbsentError(topic)
        return range(self.counts[topic])

    def topic_id(self, topic: str) -> str:
        return self.ids[topic]

    def logs(self, topic: str) -> Sequence[Log]:
        ends = dict.fromkeys(self.partitions(topic), 0)
        for record in self.records[topic]:
            ends[record.partition] = record.offset + 1
        return [Log(number, self.lows.get((topic, number), 0), end) for number, end in ends.items()]

    def committed(self, group: str, topic: str, partitions: Iterable[int]) -> Mapping[int, Committed]:
        self._fail(group)
        assert topic in self.counts
        return {number: found for number, found in self.offsets.get(group, {}).items() if number in set(partitions)}

    def has_record(self, topic: str, partition: int, offset: int) -> bool:
        assert (topic, partition) == (DECISIONS, PARTITION)
        return offset not in self.markers

    def read(self, topic: str, logs: Sequence[Log], *, of_agents: bool = False) -> Iterator[Sequence[Record]]:
        assert of_agents == topic.endswith(".decisions")
        spans = {log.partition: range(log.low, log.end) for log in logs}
        yield [each for each in self.records[topic] if each.offset in spans.get(each.partition, ())]
        self.offsets |= self.later
        if f"read {topic}" in self.failing:
            raise self.failing[f"read {topic}"]

    def _fail(self, what: str) -> None:
        if what in self.failing:
            raise self.failing[what]


def stalled(topic: str) -> StalledError:
    return StalledError(topic, {0: 3})


def place(offset: int, head: ChainHead) -> dict[str, dict[int, Committed]]:
    """Return what the gate has committed for its one partition with decisions."""
    return {GROUP: {PARTITION: Committed(offset, head.metadata("topic-id", offset))}}


def judged_source(count: int = 6) -> MemorySource:
    """Return the Kafka of a gate that has judged some decisions, all in one partition, and is idle."""
    records, head = build_chain(count, judge())
    return MemorySource(
        records={
            TOPIC: [Record(0, offset, audit_key(*ID), value) for offset, value in enumerate(records)],
            DECISIONS: [Record(PARTITION, 2 * number, b"page-1", values_of(number)) for number in range(count)],
        },
        counts={TOPIC: 1, DECISIONS: PARTITIONS},
        ids={DECISIONS: "topic-id"},
        offsets=place(2 * count, head),
    )
