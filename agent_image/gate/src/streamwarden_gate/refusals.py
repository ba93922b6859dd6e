"""What brokers have refused of this gate, and how it comes to be known of which record it was. Pure.

A transaction is refused as a whole. So it is repeated with half of its records, and again, until a single record is
refused: that one becomes a dead letter in place of a command, and where even this is refused, an audit record with
nothing of the agent's in it. A batch that was only too large as a batch fits long before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

_SUCCESSES_BEFORE_GROWTH = 8
"""Transactions in a row before the next are twice as large: what was too large once will be so again."""

At = tuple[int, int]
"""Partition and offset of a decision."""


class Stage(IntEnum):
    """What is tried with a record whose outputs were refused."""

    DEAD_LETTER = 1
    MINIMAL = 2
    """An audit record alone, with nothing of the agent's."""
    HALT = 3
    """Nothing is committed."""


@dataclass(slots=True)
class Refusals:
    """The refusals of one gate."""

    max_batch: int
    """Most records of a transaction while nothing is refused."""
    limit: int = 0
    """Most records of the next transaction."""
    _stages: dict[At, tuple[Stage, str]] = field(default_factory=dict)
    _successes: int = 0

    def __post_init__(self) -> None:
        self.limit = self.max_batch

    def stage(self, at: At) -> tuple[Stage, str] | None:
        """Return what is to be tried with a record, and what the broker said; None: it is judged as any other."""
        return self._stages.get(at)

    def refused(self, records: Sequence[At], why: str, *, for_itself: bool) -> int | None:
        """Take note of a refused transaction.

        Args:
            records: what it judged.
            why: what the broker said.
            for_itself: whether a record is refused for what it is, as for its size; else its topic takes none of ours.

        Returns:
            The partition that must not be judged now, if that is known.
        """
        self._successes = 0
        if len(records) != 1:
            self.limit = max(1, len(records) // 2)
            return None
        [at] = records
        before = self._stages.pop(at, None)
        stage = Stage.DEAD_LETTER if before is None else Stage(min(before[0] + 1, Stage.HALT))
        if stage is Stage.HALT or not for_itself:
            return at[0]
        self._stages[at] = stage, why
        return None

    def committed(self, records: Sequence[At]) -> None:
        """Take note of a transaction that was committed."""
        for at in records:
            self._stages.pop(at, None)
        if self.limit == self.max_batch or not records:
            return
        self._successes += 1
        if self._successes >= _SUCCESSES_BEFORE_GROWTH:
            self._successes = 0
            self.limit = min(self.max_batch, self.limit * 2)

    def forget(self) -> None:
        """Partitions have changed hands: whoever has them now tries anew."""
        self._stages.clear()
