"""Which batch it is that processes die of: after a death partitions are read one by one, a batch at a time. Pure."""

from collections import Counter
from collections.abc import Collection, Mapping

from streamwarden_kafka.deaths import LONGEST_ONE_BY_ONE_S, MOST_DEATHS, MOST_SKIPPED, SKIPPED_WITHIN_S
from streamwarden_kafka.records import Partition

_LONGEST_TURN_S = 15.0
"""A batch of gzip that grows to 640 MiB took up to seven before it ended a process, on busy cores."""
_MOST_OF_A_TURN = 100
_HALTED_S = 60.0
"""So long nothing of a partition is read, before it is seen whether it may be passed over now. All others are read as
usual meanwhile."""


class Suspects:
    """What is known of earlier deaths, and whose turn it is."""

    def __init__(self) -> None:
        self.since_s: float | None = None
        """When reading one by one began; None where all is read as usual."""
        self.turn: Partition | None = None
        """The partition that is read now."""
        self._turn_since_s = 0.0
        self._taken = 0
        self._deaths = Counter[tuple[Partition, int]]()
        self._ended = set[Partition]()
        self._turns = dict[Partition, int]()
        self._given_up = dict[tuple[Partition, int], float]()
        self._halted = dict[Partition, float]()
        self._has_halted = False
        """Whether who was suspected was halted since reading one by one began."""

    @property
    def active(self) -> bool:
        """Whether partitions are read one by one."""
        return self.since_s is not None

    @property
    def halted(self) -> Collection[Partition]:
        """Partitions of which nothing is read now."""
        return self._halted.keys()

    def begin(self, now_s: float) -> None:
        """Read one by one from now on."""
        self.since_s, self.turn = now_s, None
        self._has_halted = False
        self._ended.clear()
        self._turns.clear()

    def end(self) -> None:
        """Read as usual again."""
        self.since_s = self.turn = None

    def moved(self) -> None:
        """Positions have changed: none is known to be read to its end."""
        self.turn = None
        self._ended.clear()

    def resume(self, positions: Mapping[Partition, int], now_s: float) -> bool:
        """Halt no longer who was halted long enough: it has the first turn where it stands before what was deadly.

        Returns:
            Whether more partitions are to be read than before, or they in another way.
        """
        over = [at for at, until_s in self._halted.items() if until_s <= now_s]
        for at in over:
            del self._halted[at]
        ours = [at for at in over if at in positions]
        if self.active or not ours:
            return False
        if any(self._deaths[at, positions[at]] for at in ours):
            self.begin(now_s)
            self._turns.update(dict.fromkeys(ours, -1))
        return True

    def choose(
        self, positions: Mapping[Partition, int], paused: Collection[Partition], now_s: float
    ) -> Partition | None:
        """Give somebody the turn and return whom; None where reading one by one is over.

        It is over when every partition was read to its end, after some minutes, or when who was suspected was halted:
        but not where processes die of one. Who is halted has no turn.
        """
        left = [at for at in positions if at not in paused and at not in self._halted and at not in self._ended]
        long_enough = self._has_halted or (self.since_s is not None and now_s - self.since_s > LONGEST_ONE_BY_ONE_S)
        if not left or (long_enough and not any(self._deaths[at, positions[at]] for at in left)):
            self.end()
            return None
        if self.turn in left and self._taken < _MOST_OF_A_TURN and now_s - self._turn_since_s < _LONGEST_TURN_S:
            return self.turn
        self.turn = min(left, key=lambda at: self._turns.get(at, 0))
        self._turns[self.turn] = 1 + max(self._turns.values(), default=0)
        self._turn_since_s, self._taken = now_s, 0
        return self.turn

    def took(self) -> None:
        """Count a record of who has the turn."""
        self._taken += 1

    def ended(self) -> None:
        """Say that who has the turn was read to its end."""
        if self.turn is not None:
            self._ended.add(self.turn)
        self.turn = None

    def died(self, position: int) -> None:
        """Count a death of reading on at a position of who has the turn."""
        if self.turn is not None:
            self._deaths[self.turn, position] += 1
        self.turn = None

    def may_read(self, position: int) -> bool:
        """Tell whether who has the turn may be read on there: not what so many have died of."""
        return self.turn is None or self._deaths[self.turn, position] < MOST_DEATHS

    def give_up(self, position: int, now_s: float) -> bool:
        """Tell whether what stands there is given up; else too many were of late, and who has the turn is halted."""
        if self.turn is None:
            return False
        place = self.turn, position
        if place not in self._given_up:  # else it was told before, and not passed over yet
            recent = [at_s for at_s in self._given_up.values() if now_s - at_s < SKIPPED_WITHIN_S]
            if len(recent) >= MOST_SKIPPED:
                self._halted[self.turn] = now_s + _HALTED_S
                self.turn, self._has_halted = None, True
                return False
            self._given_up[place] = now_s
        return True
