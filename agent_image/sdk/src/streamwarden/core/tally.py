"""Counts of what goes wrong again and again."""

from collections import Counter

_MOST_NAMES = 1_000
_REST = ("others",)


class Tally:
    """Counts by name. What others choose is a name too, so only the first thousand are counted apart."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, ...]] = Counter()

    def add(self, *name: str) -> int:
        """Count one more, and return how many there are now."""
        known = name if name in self._counts or len(self._counts) < _MOST_NAMES else _REST
        self._counts[known] += 1
        return self._counts[known]


def is_worth_telling(count: int) -> bool:
    """Whether it is time to tell of so many again: at 1, 2, 4, 8 and so on."""
    return count & (count - 1) == 0
