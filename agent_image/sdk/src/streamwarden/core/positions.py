"""How far the agent has got in each partition, and what of it the group knows."""

from collections.abc import Iterable, Mapping

from streamwarden.core.records import Partition, Record


class Positions:
    """The offset of the next record of each partition, beside the one that was committed."""

    def __init__(self) -> None:
        self._next: dict[Partition, int] = {}
        self._committed: dict[Partition, int | None] = {}

    def reset(self, committed: Mapping[Partition, int | None]) -> None:
        """Start from what the group has committed, of our partitions and no others; None where it is nothing."""
        self._committed = dict(committed)
        self._next = {at: offset for at, offset in committed.items() if offset is not None}

    def pass_records(self, records: Iterable[Record]) -> None:
        """Take these records as done."""
        for record in records:
            self.reach(record.at, record.offset + 1)

    def reach(self, at: Partition, offset: int) -> None:
        """Move forward to ``offset``, as at the end of a partition, where markers of transactions stand behind us."""
        if at in self._committed and offset > self._next.get(at, -1):
            self._next[at] = offset

    def fit(self, at: Partition, first: int, end: int) -> int:
        """Move to the first offset of a log that does not have our position.

        Args:
            at: the partition.
            first: the first offset that its log still has.
            end: that of the next record to be written.

        Returns:
            How many offsets were lost, as to retention. Negative: how far the log's end lies behind where we were, as
            of a topic that was made again. 0: it has our position after all.
        """
        position = self._next.get(at, first)
        if first <= position <= end:
            return 0
        self._next[at] = first
        if position < first:
            return first - position
        # Of a topic that was made again the group knows nothing any more.
        self._committed.update((other, None) for other in self._committed if other.topic == at.topic)
        return end - position

    def uncommitted(self) -> dict[Partition, int]:
        """Return the offsets of the next records that the group does not know yet, of partitions that moved."""
        return {at: offset for at, offset in self._next.items() if self._committed.get(at) != offset}

    def mark_committed(self, positions: Mapping[Partition, int]) -> None:
        """Note that the group has these positions now."""
        self._committed.update((at, offset) for at, offset in positions.items() if at in self._committed)

    def current(self) -> dict[Partition, int | None]:
        """Return where to read on; None means from the beginning."""
        return {at: self._next.get(at) for at in self._committed}
