"""When a user's password is tried again: nothing but a login tells whether Kafka still has it, and each one costs."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

DOUBTED_S = 60.0
"""A login takes some milliseconds of CPU, of broker and operator, and a new agent is looked at several times."""
AGAIN_S = 45.0
"""After so long a look tries a user again. Less than a minute: that is counted from when the look before began, and a
try comes a little later; one that was not due was put off for another minute."""
PAUSE_S = 0.5
"""So long of all agents' time a try takes that nothing asks for, however many they are: 1 to 2 % of a core at most."""
SAVED_S = 60.0
"""Of the time in which nobody tried, for agents that are looked at together, as those that were made together."""


@dataclass(slots=True)
class LoginTries:
    """Remembers when each user's password was told to Kafka or tried last."""

    clock_s: Callable[[], float] = time.monotonic
    routine_s: float = math.inf
    """After so long a look tries one though nothing is wrong: somebody may have altered it under pods that run."""
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

        Those that were never tried; where they are doubted, those that were not of late; else both of an agent, where
        that is long enough ago, and not those of too many agents have had their turn just now.
        """
        now_s, users = self.clock_s(), tuple(users)
        asked = {user for user in users if user not in self.last}
        if doubted:
            asked |= {user for user in users if user in self.last and now_s - self.last[user] >= AGAIN_S}
        if asked or doubted:
            return frozenset(asked)
        late = frozenset(user for user in users if now_s - self.last[user] >= self.routine_s)
        if not late or now_s < self._free_s:
            return frozenset()
        self._free_s = max(self._free_s, now_s - SAVED_S) + PAUSE_S * len(late)
        return late
