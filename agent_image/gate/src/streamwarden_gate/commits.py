"""How commits go: how long to wait after one that failed, and when it is worth a word. Pure: times are given.

One that is aborted is an everyday thing: a rebalance, a coordinator that moves. A gate that cannot commit for long has
its policies, and does nothing with them.
"""

import math
from datetime import datetime
from typing import NamedTuple

TOLD_AFTER_S = 30.0
_TOLD_AFTER = 5
"""Attempts, too: a process that slept between two of them has not tried for long."""
FORGOTTEN_AFTER_S = 60.0
"""Without another failure: there is nothing left to commit. What is left is tried sooner, though each call may hang."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 2.0


class Failing(NamedTuple):
    """Nothing can be committed."""

    since: datetime
    """Of the first attempt that failed."""
    why: str
    """Of the attempt at which it was long enough to be told: it stays the same while it lasts."""
    what: str = "no transaction has been committed"
    """What is so since then."""


class Commits:
    """Attempts that failed since something was committed."""

    def __init__(self) -> None:
        self._failures = 0
        self._first: tuple[float, datetime] | None = None
        self._last_s = -math.inf
        self._failing: Failing | None = None

    @property
    def pause_s(self) -> float:
        """How long to wait before the next attempt: longer each time."""
        return min(_FIRST_PAUSE_S * 2.0 ** min(self._failures, 10), _LONGEST_PAUSE_S)

    def failed(self, now_s: float, at: datetime, why: str) -> Failing | None:
        """Note an attempt that failed, and return what is to be told.

        Args:
            now_s: monotonic seconds.
            at: the same by the calendar.
            why: in words.
        """
        if self._first is None or now_s - self._last_s > FORGOTTEN_AFTER_S:
            self.succeeded()
            self._first = now_s, at
        self._failures += 1
        self._last_s = now_s
        first_s, since = self._first
        if self._failing is None and self._failures >= _TOLD_AFTER and now_s - first_s >= TOLD_AFTER_S:
            self._failing = Failing(since, why)
        return self._failing

    def succeeded(self) -> None:
        """Note that something was committed."""
        self._failures, self._first, self._failing = 0, None, None

    def failing(self, now_s: float) -> Failing | None:
        """Return what is to be told, if anything."""
        return self._failing if now_s - self._last_s <= FORGOTTEN_AFTER_S else None


class Absence:
    """How long a gate has been no member of its group: without partitions it has nothing to commit, and never fails."""

    def __init__(self) -> None:
        self._since: tuple[float, datetime] | None = None
        self._failing: Failing | None = None

    def look(self, why: str, now_s: float, at: datetime) -> Failing | None:
        """Return what is to be told.

        Args:
            why: it is no member now; empty: it is one.
            now_s: monotonic seconds.
            at: the same by the calendar.
        """
        if not why:
            self._since = self._failing = None
            return None
        since_s, since = self._since = self._since or (now_s, at)
        if self._failing is None and now_s - since_s >= TOLD_AFTER_S:
            self._failing = Failing(since, why, "this gate has been no member of its group")
        return self._failing
