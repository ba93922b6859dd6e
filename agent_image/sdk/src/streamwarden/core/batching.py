"""How many records to take at a time."""

from dataclasses import dataclass

MAX_BATCH_RECORDS = 1_000
MAX_BATCH_BYTES = 8 * 1024 * 1024
"""As ``Record.memory`` counts; a batch ends with the record that reaches it."""

_FIRST = 100
_SLOW_S = 1.0
_FAST_S = 0.25


@dataclass(frozen=True, slots=True)
class BatchSize:
    """A limit that grows with the backlog and shrinks for slow handlers.

    A batch commits as a whole, so one that takes long delays its first decision and repeats much after a crash.
    """

    records: int = _FIRST
    """From 1 to ``MAX_BATCH_RECORDS``."""

    def after(self, *, records: int, seconds: float) -> "BatchSize":
        """Return the limit for the next batch, given how the last one went.

        Args:
            records: how many it had. Only one that was full makes the limit grow.
            seconds: how long its handlers took, with all attempts and waits. Below 0.25 the limit doubles; above 1 it
                is half of what the batch had.
        """
        if seconds > _SLOW_S:
            return BatchSize(max(1, min(self.records, records) // 2))
        if seconds < _FAST_S and records >= self.records:
            return BatchSize(min(MAX_BATCH_RECORDS, self.records * 2))
        return self
