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
    """Partitions that were read to their last stable offset, while their log goes on behind it.

    What the log has more may be fetched already, and wait in the client's queue behind other partitions' records: so
    ends are compared only where that queue was empty.
    """

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
        self._drained = False

    def refetch(self) -> None:
        """Note that all is fetched again: what is stable is told again, and nothing is known until then."""
        self._stable.clear()

    def take(self, items: Iterable[Item], *, drained: bool = True) -> None:
        """Note what was received: a read_committed reader is told the last stable offset as the end.

        Args:
            items: what was received.
            drained: whether that was all that the client had.
        """
        self._drained = drained
        for item in items:
            if isinstance(item, End):
                self._stable[item.partition] = item.offset
                continue
            if self._stable:
                self._stable.pop(item.partition, None)
            if self._since_s:
                self._since_s = {each: at for each, at in self._since_s.items() if each.partition != item.partition}

    def observe(self, loaded: Mapping[int, Partition], now_s: float) -> Sequence[Waiting]:
        """Return those that wait for long already; logs' ends are compared at most once a second.

        Args:
            loaded: the partitions that are judged, and where they stand.
            now_s: monotonic seconds.
        """
        places = [Waiting(number, each.position) for number, each in sorted(loaded.items())]
        told = [each for each in self._waiting if each in places and each in self._since_s]
        if self._drained and now_s - self._observed_s >= _EVERY_S:
            self._observed_s = now_s
            # Of what is fetched anew and has told nothing yet, neither is known: its time goes on, and it is not told.
            unknown = [each for each in places if each.partition not in self._stable and each in self._since_s]
            found = [each for each in places if self._is_held(each)]
            self._since_s = {each: self._since_s.get(each, now_s) for each in (*unknown, *found)}
            long = {each for each in found if now_s - self._since_s[each] >= TOLD_AFTER_S}
            told = sorted(long.union(told).intersection(self._since_s))
        self._waiting = told
        return self._waiting

    def _is_held(self, at: Waiting) -> bool:
        return self._stable.get(at.partition) == at.offset < self._high_watermark(at.partition)
