"""Lag in memory: counted from the ends and offsets of the other fakes, by the same arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_operator.errors import KafkaUnavailableError, NotReadyError
from streamwarden_operator.plans.lag import Place, span_of
from streamwarden_operator.ports import GroupLag

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from streamwarden_operator.errors import OperatorError
    from streamwarden_operator.ports import GroupReads
    from support.fakes import FakeOffsets, FakeTopics


class FakeLags:
    """Partitions come from ``topics``, ends and committed offsets from ``offsets``; every offset holds a record."""

    def __init__(self, topics: FakeTopics, offsets: FakeOffsets) -> None:
        self.down = False
        self.readings: list[frozenset[GroupReads]] = []
        """What was asked for, reading by reading."""
        self.waiting: set[str] = set()
        """Groups whose turn has not come."""
        self._topics = topics
        self._offsets = offsets

    async def read(self, wanted: Collection[GroupReads]) -> Mapping[GroupReads, GroupLag | OperatorError]:
        self.readings.append(frozenset(wanted))
        return {reads: self._read(reads) for reads in wanted if reads.group not in self.waiting}

    async def close(self) -> None:
        """Nothing is open."""

    def _read(self, reads: GroupReads) -> GroupLag | OperatorError:
        if self.down:
            return KafkaUnavailableError("no answer from Kafka")
        records, sizes = 0, [0]
        for topic in reads.topics:
            found = self._topics.topics.get(topic)
            if found is None:
                return KafkaUnavailableError(f"topic {topic!r} does not exist")
            sizes.append(found.partitions)
            for partition in range(found.partitions):
                low, end = self._offsets.ends.get((topic, partition), (0, 0))
                committed, _ = self._offsets.committed.get((reads.group, topic, partition), (None, ""))
                span = span_of(Place(committed, end), low=low, high=end, earliest=reads.earliest)
                if span is None:
                    return NotReadyError(f"group {reads.group!r} has no place in partition {partition}")
                records += span.offsets
        return GroupLag(records, max(sizes))
