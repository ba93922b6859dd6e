"""Reading record by record, after a death that a record may have caused: so the record in hand is the one.

It ends when that record was skipped, or found but not to be skipped any more (``TooManySkips``: its partition is not
judged); when every partition was read to its end; or after some minutes without a death.
"""

from collections import Counter
from collections.abc import Collection

from streamwarden_kafka.deaths import LONGEST_ONE_BY_ONE_S

from streamwarden_gate.note import Doing, Hand, Note
from streamwarden_gate.partitions import Partition

_MOST_FIRST = 3
"""So many turns one under suspicion has before all others; then it waits for its turn: its leader may be away."""


class Careful:
    """What is known of earlier deaths, and whose turn it is."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._blamed: Hand | None = note.hand if note.hand.doing is not Doing.NOTHING else None
        """What the last process died of; its try is not committed yet."""
        self._unreadable: tuple[int, int] | None = None
        """Partition and position of a batch that killed while it was read."""
        self._ended: set[int] = set()
        self._turns: dict[int, int] = {}
        self._firsts: Counter[int] = Counter()
        """How many turns each has had before the others."""
        self._since_s: float | None = None
        """When the first turn was."""
        note.drop()

    @property
    def active(self) -> bool:
        """Whether records are read one by one."""
        return self._note.careful

    def begin(self) -> None:
        """Read record by record from now on."""
        if not self._note.careful:
            self._since_s = None
            self._note.careful = True
        self.forget()

    def forget(self) -> None:
        """Partitions have changed hands: none is known to be read to its end."""
        self._ended.clear()
        self._turns.clear()
        self._firsts.clear()

    def choose(self, partitions: Collection[Partition], now_s: float) -> Partition | None:
        """Return the partition to read from now: those under suspicion first, for some turns. None: it is over."""
        if self._since_s is None:
            self._since_s = now_s
        suspects = [each for each in partitions if each.head.tries or self._is_blamed(each)]
        others = [each for each in partitions if each.number not in self._ended and each not in suspects]
        if not suspects + others or now_s - self._since_s > LONGEST_ONE_BY_ONE_S:
            return None
        first = [each for each in suspects if self._firsts[each.number] < _MOST_FIRST]
        chosen = min(first or suspects + others, key=lambda each: self._turns.get(each.number, 0))
        self._firsts[chosen.number] += bool(first)
        self._turns[chosen.number] = 1 + max(self._turns.values(), default=0)
        return chosen

    def end(self) -> None:
        """Read as usual again."""
        self._note.careful = False
        self.forget()

    def reached_end(self, number: int) -> None:
        self._ended.add(number)

    def died_reading(self, partition: Partition) -> bool:
        """Tell whether the last process died of reading on here."""
        return self._blamed == (Doing.READING, partition.number, partition.position)

    def died_behind(self, partition: Partition) -> bool:
        """Tell whether it died of reading what lies behind the next record here: to be blamed, it must be the next."""
        blamed = self._blamed
        if blamed is None or (blamed.doing, blamed.partition) != (Doing.READING, partition.number):
            return False
        return blamed.offset > partition.position

    def died_judging(self, number: int, offset: int) -> bool:
        """Tell whether the last process died of this record."""
        return self._blamed == (Doing.JUDGING, number, offset)

    def counted(self) -> None:
        """Say that the try is committed."""
        blamed, self._blamed = self._blamed, None
        if blamed is not None and blamed.doing is Doing.READING:
            self._unreadable = blamed.partition, blamed.offset

    def cannot_read(self, partition: Partition) -> bool:
        """Tell whether the tries that were counted were of reading, as far as is known."""
        return self._unreadable == (partition.number, partition.position)

    def _is_blamed(self, partition: Partition) -> bool:
        blamed = self._blamed
        if blamed is None or blamed.partition != partition.number:
            return False
        if blamed.offset < partition.position:
            self._blamed = None  # another pod has come past it
            return False
        return True
