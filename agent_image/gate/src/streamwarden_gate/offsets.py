"""Whether records have the offsets that they give: they are the agent's word, and clients believe it. No clock.

In an uncompressed batch a record may give any offset (docs/decisions has what brokers look at). Records of a log come
in their order, each above the one before, and within what the header of its batch says: brokers write that themselves.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from streamwarden_gate.errors import PutOffError
from streamwarden_gate.ports import End, Item, Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.records import Record

USUAL_GAP = 16
"""Offsets without a record for which no header is asked: markers in a row, one of each pod that writes at the time."""


class Bounds(Protocol):
    """Where a batch lies."""

    @property
    def first(self) -> int:
        """Offset of its first record."""

    @property
    def last(self) -> int:
        """Offset of its last record."""


class Offsets:
    """Where the next record of each partition is expected."""

    def __init__(self, positions: Mapping[int, int], batch_at: Callable[[int, int], Bounds], usual_gap: int) -> None:
        """Begin.

        Args:
            positions: what is fetched, and from where.
            batch_at: says what the header of the next batch at a position says; ``PutOffError`` where not now.
            usual_gap: offsets without a record for which it is not asked.
        """
        self.put_off = False
        """Whether the last check left out what is not doubted either: it is to be read again."""
        self._next = dict(positions)
        self._batch_at = batch_at
        self._usual_gap = usual_gap

    @property
    def positions(self) -> Mapping[int, int]:
        """From where each partition is to be read on, as far as it was checked."""
        return self._next

    def check(self, items: Sequence[Item]) -> list[Item]:
        """Leave out what does not have its offset, and what comes behind it in its partition.

        A record that gives an offset that was given already says that one of the two is untrue, and not which.

        Returns:
            The others, and such a partition as one that cannot be read on.
        """
        self.put_off = False
        kept: list[Item] = []
        left: set[int] = set()
        for item in items:
            if item.partition in left:
                continue
            why = self._fault_of(item)
            if why == "":
                self._go_on(item)
                kept.append(item)
                continue
            left.add(item.partition)
            if why is None:
                self.put_off = True
            else:
                kept = [each for each in kept if not _is_doubted(each, item)]
                kept.append(unreadable(item.partition, why))
        return kept

    def _go_on(self, item: Item) -> None:
        if isinstance(item, Record):
            self._next[item.partition] = item.offset + 1
        elif isinstance(item, End):
            self._next[item.partition] = item.offset

    def _fault_of(self, item: Item) -> str | None:
        """Say what is wrong with the offset that a record gives: nothing where it is right, None if that is open."""
        if not isinstance(item, Record):
            return ""
        number, offset = item.partition, item.offset
        expected = self._next.get(number, offset)
        if offset < expected:
            return f"a record gives the offset {offset} where {expected} or more is next"
        if offset - expected > self._usual_gap:
            try:
                batch = self._batch_at(number, expected)
            except PutOffError:
                return None
            if not batch.first <= offset <= batch.last:
                return f"a record gives the offset {offset}, and its batch is {batch.first} to {batch.last}"
        return ""


def unreadable(number: int, why: str) -> Unreadable:
    """Say why a batch is to be passed over as one that cannot be decoded, as where a record has led astray."""
    return Unreadable(number, RefusalReason.UNREADABLE_PARTITION, f"decision partition {number}: {why}")


def _is_doubted(item: Item, by: Item) -> bool:
    """Tell whether what came before cannot be believed beside this record."""
    if item.partition != by.partition or isinstance(item, Unreadable) or isinstance(by, Unreadable):
        return False
    return item.offset > by.offset if isinstance(item, End) else item.offset >= by.offset
