"""Which decisions wait for the end of a transaction: nothing from its first record on is read before. No clock."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from streamwarden_gate.partitions import Partition
from streamwarden_gate.ports import End, Item

TOLD_AFTER_S = 30.0
"""An agent's transaction takes milliseconds, and waits for a broker that was restarted: this is neither."""
_EVERY_S = 1.0


class Waiting(NamedTuple):
    """A partition that is read no further."""

    partition: int
    offset: int
    """The last stable one."""


class OpenTransactions:
    """Partitions that were read to their last stable offset, while their log goes on behind it."""

    def __init__(self, high_watermark: Callable[[int], int]) -> None:
        """Begin with none.

        Args:
            high_watermark: returns where a partition ends, open transactions included; negative where that is unknown.
        """
        self._high_watermark = high_watermark
        self._waiting: Sequence[Waiting] = ()
        self._stable: dict[int, int] = {}
        """Last stable offsets that were reached, and nothing has come since."""
        self._since_s: dict[Waiting, float] = {}
        self._observed_s = -math.inf

    def take(self, items: Iterable[Item]) -> None:
        """Note what was received: a read_committed reader is told the last stable offset as the end."""
        for item in items:
            if isinstance(item, End):
                self._stable[item.partition] = item.offset
            elif self._stable:
                self._stable.pop(item.partition, None)

    def observe(self, loaded: Mapping[int, Partition], now_s: float) -> Sequence[Waiting]:
        """Return those that wait for long already; logs' ends are compared at most once a second.

        Args:
            loaded: the partitions that are judged, and where they stand.
            now_s: monotonic seconds.
        """
        if now_s - self._observed_s >= _EVERY_S:
            self._observed_s = now_s
            found = [
                Waiting(number, at)
                for number, at in sorted(self._stable.items())
                if number in loaded and loaded[number].position == at < self._high_watermark(number)
            ]
            self._since_s = {each: self._since_s.get(each, now_s) for each in found}
            self._waiting = [each for each in found if now_s - self._since_s[each] >= TOLD_AFTER_S]
        return self._waiting
