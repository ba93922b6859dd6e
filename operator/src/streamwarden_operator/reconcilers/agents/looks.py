"""What the last looks at Kafka have shown of each agent: while that is good, its reconcile asks Kafka nothing."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Generic, TypeVar

from streamwarden_contract.names import AgentNames

from streamwarden_operator.ports import Topic
from streamwarden_operator.reconcilers.agents.login_tries import DOUBTED_S

T = TypeVar("T")

Who = tuple[str, str]
"""An agent: its namespace and its name."""


class Remembered(Generic[T]):
    """What one kind of look has shown, by agent."""

    def __init__(self) -> None:
        self._looks: dict[Who, tuple[object, T]] = {}

    def find(self, names: AgentNames, asked: object) -> T | None:
        """Return what the last look has shown; None where one must look.

        Args:
            names: the agent's.
            asked: all that the look goes by: one that went by something else is no good.
        """
        before, shown = self._looks.get(_who(names), (None, None))
        return shown if before == asked else None

    def note(self, names: AgentNames, asked: object, shown: T) -> None:
        """Say what a look has shown, with which all is as it should be."""
        self._looks[_who(names)] = asked, shown

    def forget(self, names: AgentNames) -> None:
        """Say that one must look."""
        self._looks.pop(_who(names), None)


class Looks:
    """All kinds of them. What others change in Kafka is found when they are repeated, as by a resync."""

    def __init__(self, longest_s: float = 0.0, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Make one that knows nothing.

        Args:
            longest_s: how long a look is good for. 0: each reconcile looks.
            clock_s: tells seconds.
        """
        self.topics: Remembered[Mapping[str, Topic]] = Remembered()
        """An agent's own, and all that it needs: there, and as they should be."""
        self.users: Remembered[str] = Remembered()
        """A hash of the credentials: both users are there, and no other password is valid beside the Secrets'."""
        self.epochs: Remembered[tuple[int, int]] = Remembered()
        """Of committed offsets, with which the gate knows where to begin in each partition."""
        self._longest_s = longest_s
        self._clock_s = clock_s
        self._begun: dict[Who, tuple[object, float]] = {}
        """What each agent's looks go by, and when the oldest was."""

    def begin(self, names: AgentNames, wish: object, *, doubted: bool) -> None:
        """Let go of what an agent's looks have shown where they are too old.

        Args:
            names: the agent's.
            wish: all that people say in its AgentDeployment: with an edit all is looked at.
            doubted: whether it does not stand: something may have changed, so they are too old soon.
        """
        who, longest_s = _who(names), min(self._longest_s, DOUBTED_S) if doubted else self._longest_s
        earlier, begun_s = self._begun.get(who, (None, -math.inf))
        if earlier != wish or self._clock_s() - begun_s >= longest_s:
            self.forget(names)
            self._begun[who] = wish, self._clock_s()

    def forget(self, names: AgentNames) -> None:
        """Say that the next pass must look at all."""
        for kind in (self.topics, self.users, self.epochs):
            kind.forget(names)
        self._begun.pop(_who(names), None)

    def drop(self, names: AgentNames) -> bool:
        """Forget them, and tell whether they were still good: then another pass finds what they hide."""
        good = math.isfinite(self.left_s(_who(names)))
        self.forget(names)
        return good

    def left_s(self, who: Who, *, doubted: bool = False) -> float:
        """Return the seconds until an agent's looks are too old; infinite where nobody looks now.

        Args:
            who: which agent: all of its names are made once a reconcile, and not for this.
            doubted: whether it does not stand: they are too old soon, and nothing else may wake it then.
        """
        _, begun_s = self._begun.get(who, (None, -math.inf))
        left_s = begun_s + self._longest_s - self._clock_s()
        longest_s = DOUBTED_S if doubted else math.inf
        return min(left_s, longest_s) if left_s > 0 else math.inf


def _who(names: AgentNames) -> Who:
    return names.namespace, names.agent


def bare(topics: Mapping[str, Topic]) -> Mapping[str, Topic]:
    """Return topics without their configuration, which was compared: of a thousand agents it would be megabytes."""
    return {name: replace(topic, config={}, defaults={}, config_types={}) for name, topic in topics.items()}
