"""Whether records have the offsets that they give: they are the agent's word, and clients believe it. No clock.

In an uncompressed batch a record may give any offset (docs/decisions has what brokers look at). Records of a log come
in their order, each above the one before, and within what the header of its batch says: brokers write that themselves.
"""

from collections.abc import Callable, Mapping, Sequence

from streamwarden_gate.ports import Batch, End, Item, Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.records import Record

USUAL_GAP = 16
"""Offsets without a record for which no header is asked: markers in a row, one of each pod that writes at the time."""


class Offsets:
    """Where the next record of each partition is expected."""

    def __init__(self, positions: Mapping[int, int], batch_at: Callable[[int, int], Batch], usual_gap: int) -> None:
        """Begin.

        Args:
            positions: what is fetched, and from where.
            batch_at: says what the header of the next batch at a position says.
            usual_gap: offsets without a record for which it is not asked.
        """
        self._next = dict(positions)
        self._batch_at = batch_at
        self._usual_gap = usual_gap

    def check(self, items: Sequence[Item]) -> list[Item]:
        """Leave out what does not have its offset, and what comes behind it in its partition.

        A record that gives an offset that was given already says that one of the two is untrue, and not which.

        Returns:
            The others, and such a partition as one that cannot be read on.
        """
        kept: list[Item] = []
        told: set[int] = set()
        for item in items:
            if item.partition in told:
                continue
            if isinstance(item, Record) and (why := self._fault_of(item)):
                told.add(item.partition)
                kept = [each for each in kept if not _is_doubted(each, item)]
                kept.append(untrue(item.partition, why))
            else:
                self._go_on(item)
                kept.append(item)
        return kept

    def _go_on(self, item: Item) -> None:
        if isinstance(item, Record):
            self._next[item.partition] = item.offset + 1
        elif isinstance(item, End):
            self._next[item.partition] = item.offset

    def _fault_of(self, record: Record) -> str:
        number, offset = record.partition, record.offset
        expected = self._next.get(number, offset)
        if offset < expected:
            return f"a record gives the offset {offset} where {expected} or more is next"
        if offset - expected > self._usual_gap:
            batch = self._batch_at(number, expected)
            if not batch.first <= offset <= batch.last:
                return f"a record gives the offset {offset}, and its batch is {batch.first} to {batch.last}"
        return ""


def untrue(number: int, why: str) -> Unreadable:
    """Say that a record has led astray: its batch is passed over as one that cannot be decoded."""
    return Unreadable(number, RefusalReason.UNREADABLE_PARTITION, f"decision partition {number}: {why}")


def _is_doubted(item: Item, by: Record) -> bool:
    """Tell whether what came before cannot be believed beside this record."""
    if item.partition != by.partition or isinstance(item, Unreadable):
        return False
    return item.offset > by.offset if isinstance(item, End) else item.offset >= by.offset
