"""Counts of what goes wrong again and again, told ever more seldom."""

from collections import Counter

_MOST_NAMES = 1_000
_REST = ("others",)


class Tally:
    """Counts by name. What others choose is a name too, so only the first thousand are counted apart."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, ...]] = Counter()

    def add(self, *name: str) -> int | None:
        """Count one more, and return how many there are now where it is time to tell: at 1, 2, 4, 8 and so on."""
        known = name if name in self._counts or len(self._counts) < _MOST_NAMES else _REST
        self._counts[known] += 1
        count = self._counts[known]
        return count if count & (count - 1) == 0 else None
