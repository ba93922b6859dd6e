"""How far the agent has got in each partition, and what of it the group knows."""

from collections.abc import Mapping
from types import MappingProxyType

from streamwarden.core import offset_metadata
from streamwarden.core.offset_metadata import MAX_AHEAD
from streamwarden.core.records import Partition, Record
from streamwarden.core.window import Window

_MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Of events that wait, as behind a slow one with their key: shared evenly by the partitions."""
_NOTHING: Mapping[Partition, int] = MappingProxyType({})


class Positions:
    """What was read and finished of each partition, beside what was committed."""

    def __init__(self) -> None:
        self._windows: dict[Partition, Window] = {}
        self._committed: dict[Partition, tuple[int, int] | None] = {}
        self._full: frozenset[Partition] = frozenset()

    def reset(self, committed: Mapping[Partition, int | None], beyond: Mapping[Partition, int] = _NOTHING) -> None:
        """Start from what the group has committed, of our partitions and no others.

        Args:
            committed: low watermarks; None where nothing is committed.
            beyond: what is finished after them, as ``Window`` has it.
        """
        self._windows = {at: Window(offset, beyond.get(at, 0)) for at, offset in committed.items()}
        self._committed = {at: window.mark for at, window in self._windows.items()}
        self._full = frozenset()

    def has_room(self, record: Record) -> bool:
        """Whether a record may be taken now, or must wait until earlier ones are finished."""
        window = self._windows.get(record.at)
        return window is None or window.has_room(record.offset)

    def take(self, record: Record) -> bool:
        """Note a record as read, and tell whether it is to be handled: not where that was done before."""
        window = self._windows.get(record.at)
        return window is not None and window.take(record)

    def finish(self, record: Record) -> None:
        """Note that a record that was taken is done."""
        window = self._windows.get(record.at)
        if window is not None:
            window.finish(record)

    def reach(self, at: Partition, offset: int) -> None:
        """Move forward to ``offset``, as at the end of a partition, where markers of transactions stand behind us."""
        window = self._windows.get(at)
        if window is not None:
            window.reach(offset)

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
        window = self._windows.get(at)
        if window is None:
            return 0
        position = first if window.position is None else window.position
        if first <= position <= end:
            return 0
        if position < first:
            window.reach(first)
            return first - position
        # Events of the old log that are at work may finish; they are none of the new one's.
        self._windows[at] = Window(first)
        # Of a topic that was made again the group knows nothing any more.
        self._committed.update((other, None) for other in self._committed if other.topic == at.topic)
        return end - position

    def full(self) -> frozenset[Partition]:
        """Return the partitions of which nothing more is to be read for now.

        They are as far ahead of their low watermark as a commit can say, or their events take too much memory. One
        that was full is so until half of it is free again.
        """
        share = _MAX_WAITING_BYTES // max(1, len(self._windows))

        def is_full(at: Partition, window: Window) -> bool:
            part = 2 if at in self._full else 1
            return window.ahead > MAX_AHEAD // part or window.waiting_bytes > share // part

        self._full = frozenset(at for at, window in self._windows.items() if is_full(at, window))
        return self._full

    def uncommitted(self) -> dict[Partition, int]:
        """Return the low watermarks of partitions of which the group does not know all that is finished."""
        return {
            at: window.low
            for at, window in self._windows.items()
            if window.mark is not None and window.mark != self._committed.get(at)
        }

    def offset_metadata(self, topic_ids: Mapping[str, str]) -> dict[Partition, str]:
        """Write what is to be committed beside the low watermarks, where anything is finished after one.

        Args:
            topic_ids: by topic. Of one that is not there nothing is written: nobody could tell whose it is.
        """
        return {
            at: offset_metadata.encode(topic_ids[at.topic], window.low, window.beyond)
            for at, window in self._windows.items()
            if window.beyond and topic_ids.get(at.topic)
        }

    def mark_committed(self, positions: Mapping[Partition, int]) -> None:
        """Note that the group has all of these partitions now. Nothing may have finished since they were asked for."""
        self._committed.update((at, self._windows[at].mark) for at in positions if at in self._committed)

    def current(self) -> dict[Partition, int | None]:
        """Return where to read on; None means from the beginning."""
        return {at: window.position for at, window in self._windows.items()}

    def passed(self) -> dict[Partition, int]:
        """Return the low watermarks."""
        return {at: window.low for at, window in self._windows.items()}
