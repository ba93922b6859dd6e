"""From where to where batches go, as their headers say: asked for by the megabyte, as an agent may leave many gaps."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from streamwarden_gate.errors import PutOffError

MOST_REQUESTS = 8
"""For one poll: what would need more of them waits for the next one."""


class Span(NamedTuple):
    """What a header says."""

    first: int
    last: int
    """Offset of the batch's last record."""


class Spans:
    """The next batches of each partition, as far as they are known. Positions only grow."""

    def __init__(self, ask: Callable[[int, int], Sequence[Span]]) -> None:
        """Begin with none.

        Args:
            ask: returns the next batches of a partition at a position, at least one, or raises ``AbortedError``.
        """
        self._ask = ask
        self._known: dict[int, deque[Span]] = {}
        self._left = MOST_REQUESTS

    def begin_poll(self) -> None:
        """Allow as many requests as one poll may make."""
        self._left = MOST_REQUESTS

    def at(self, number: int, position: int) -> Span:
        """Return the next batch of a partition at a position.

        Raises:
            PutOffError: it needs more requests than are allowed now.
            AbortedError: it cannot be had.
        """
        known = self._known.setdefault(number, deque())
        while known and known[0].last < position:
            known.popleft()
        if not known:
            if self._left <= 0:
                raise PutOffError(f"decision partition {number} has many gaps: it is read on in a moment")
            self._left -= 1
            known.extend(self._ask(number, position))
        return known[0]
