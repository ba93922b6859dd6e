"""What was read of one partition, and what of it is finished: events finish in any order."""

from collections import deque

from streamwarden.core.offset_metadata import MAX_AHEAD, is_finished
from streamwarden.core.records import Record

_OVERHEAD_BYTES = 1024
"""Of a record that waits, beside its key and value."""


class Window:
    """A partition from its low watermark to the next record to be read.

    Offsets that no record has, as of markers and of what was compacted away, never hold it up.

    Attributes:
        position: the offset to read on from; None is the beginning.
        low: the low watermark, which is what is committed: every record before it is finished. It lies after the
            position where an earlier owner has finished what comes next.
        beyond: finished offsets after the low watermark: bit n is the offset ``low + 1 + n``.
        waiting_bytes: about what the records take that are not finished.
    """

    __slots__ = ("_moved", "_order", "_unfinished", "beyond", "low", "position", "waiting_bytes")

    def __init__(self, position: int | None, beyond: int = 0) -> None:
        """Begin where the group has got to, and with what it has finished beyond."""
        self.position = position
        self.low = position or 0
        self.beyond = beyond
        self.waiting_bytes = 0
        self._moved = position is not None
        self._unfinished: dict[int, Record] = {}
        self._order: deque[int] = deque()
        """Offsets in the order in which they were read, the finished ones among them too but for the first."""

    @property
    def mark(self) -> tuple[int, int] | None:
        """What there is to commit: low watermark and what is finished beyond. None: nothing was done yet."""
        return (self.low, self.beyond) if self._moved else None

    def has_room(self, offset: int) -> bool:
        """Whether a record there may be handled now: once it is finished, a commit must have a bit for it."""
        return not self._unfinished or offset - self.low <= MAX_AHEAD

    @property
    def ahead(self) -> int:
        """How many offsets the position is ahead of the low watermark."""
        return max(0, (self.position or 0) - self.low)

    def take(self, record: Record) -> bool:
        """Note a record as read. False: it is finished, or was read before, and is not to be handled."""
        offset = record.offset
        if self.position is not None and offset < self.position:
            return False
        self.position = record.last + 1
        if is_finished(offset, self.low, self.beyond):
            self._settle()
            return False
        self._unfinished[offset] = record
        self._order.append(offset)
        self.waiting_bytes += record.memory + _OVERHEAD_BYTES
        self._settle()
        return True

    def finish(self, record: Record) -> None:
        """Note a record as finished. Of one that stood in another log there, as of a topic made again, nothing."""
        offset = record.offset
        if self._unfinished.get(offset) is not record:
            return
        del self._unfinished[offset]
        self.waiting_bytes -= record.memory + _OVERHEAD_BYTES
        self._moved = True
        if offset > self.low:
            self.beyond |= 1 << (offset - self.low - 1)
        self._settle()

    def reach(self, offset: int) -> None:
        """Read on from ``offset``, as at the end of a partition, where markers of transactions stand behind us."""
        if self.position is None or offset > self.position:
            self.position = offset
        self._moved = self._moved or not self._unfinished
        self._settle()

    def _settle(self) -> None:
        """Move the low watermark to the first record that is not finished, or else to where we read on."""
        order = self._order
        while order and order[0] not in self._unfinished:
            order.popleft()
        first = order[0] if order else self.position or 0
        while first > self.low:
            finished_there = self.beyond >> (first - self.low - 1) & 1
            self.beyond >>= first - self.low
            self.low = first
            if not finished_there:
                break
            first += 1
