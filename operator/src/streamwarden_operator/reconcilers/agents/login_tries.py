"""When a user's password is tried again: nothing but a login tells whether Kafka still has it, and each one costs."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

DOUBTED_S = 60.0
"""A login takes some milliseconds of CPU, of broker and operator, and a new agent is looked at several times."""
PAUSE_S = 0.5
"""Between two that nothing asks for, whatever the number of agents: they take 1 to 2 % of a core at most."""


@dataclass(slots=True)
class LoginTries:
    """Remembers when each user's password was told to Kafka or tried last."""

    clock_s: Callable[[], float] = time.monotonic
    routine_s: float = math.inf
    """After so long one is tried though nothing is wrong: somebody may have altered it under pods that run."""
    last: dict[str, float] = field(default_factory=dict)
    _free_s: float = -math.inf

    def note(self, user: str) -> None:
        """Say that Kafka has a user's password now, or was asked for it."""
        self.last[user] = self.clock_s()

    def forget(self, user: str) -> None:
        """Say that nobody knows whether Kafka has it: the next look tries it."""
        self.last.pop(user, None)

    def due(self, users: Iterable[str], *, doubted: bool) -> frozenset[str]:
        """Return those whose password is to be tried now.

        Those that were never tried; where they are doubted, those that were not within a minute; else the one that was
        tried longest ago, where that is long enough, and no other agent's was tried just now.
        """
        now_s, users = self.clock_s(), tuple(users)
        asked = {user for user in users if user not in self.last}
        if doubted:
            asked |= {user for user in users if user in self.last and now_s - self.last[user] > DOUBTED_S}
        if asked or doubted:
            return frozenset(asked)
        oldest = min(users, key=self.last.__getitem__)
        if now_s - self.last[oldest] < self.routine_s or now_s < self._free_s:
            return frozenset()
        self._free_s = now_s + PAUSE_S
        return frozenset({oldest})
