"""Whether what was read of the policy topics is proven to be all that there is. Pure: times are given.

A reader that hears nothing cannot tell an idle log from one that it may not read any more. So the ends of the topics
are asked for, again and again, and an answer counts once reading has reached it. That is not the same as standing at
the end: a log that is written steadily is never read to its end, and a reader of committed records that stands before
a transaction which nobody ends would seem to.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_MOST_OPEN = 32
"""Answers that reading has not reached yet; of more the oldest are forgotten: a topic can only seem staler by that."""
_NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Question:
    """Where the topics end, asked at a time."""

    at_s: float
    """When it was *sent*: what is written later may be missing from the answer."""
    positions: Mapping[str, int]
    """How far each topic was read then."""


class Staleness:
    """Whether policies may be outdated: nothing proves that they are not. Times are monotonic seconds."""

    def __init__(self, most_s: float, now_s: float) -> None:
        """Begin.

        Args:
            most_s: how old a proof may be.
            now_s: when the gate begins.
        """
        self.most_s, self.began_s = most_s, now_s
        self.is_told = False
        """Whether people are to be told, as things stood at the last look."""

    def is_unproven(self, proven_at_s: float, now_s: float) -> bool:
        """Tell whether the last proof is too old; one that is there only now counts."""
        return now_s - proven_at_s > self.most_s

    def look(self, proven_at_s: float, now_s: float) -> bool:
        """Tell the same before something is judged, and remember whether it is to be told."""
        unproven = self.is_unproven(proven_at_s, now_s)
        # One that has just begun has had no time to prove anything: it judges nothing yet, and is no reason for alarm.
        # Both are of one moment: the first proof may come right after this look.
        self.is_told = unproven and (now_s - self.began_s > self.most_s or proven_at_s > -math.inf)
        return unproven


class Freshness:
    """The proofs of some topics."""

    def __init__(self, topics: Iterable[str]) -> None:
        self._positions = dict.fromkeys(topics, _NOWHERE)
        self._proven_at_s = dict.fromkeys(self._positions, -math.inf)
        self._open: dict[str, list[tuple[float, int]]] = {topic: [] for topic in self._positions}

    @property
    def proven_at_s(self) -> float:
        """When everything that was there had been read, of the stalest topic; minus infinity: nothing is proven."""
        return min(self._proven_at_s.values())

    def ask(self, at_s: float) -> Question:
        """Make a question that is sent now."""
        return Question(at_s, dict(self._positions))

    def answered(self, question: Question, ends: Mapping[str, int]) -> None:
        """Take an answer: offsets after the last record of each topic, committed or not.

        A topic that ends before the place where it was read already has lost records, or is another one of the same
        name: what was read proves nothing any more.
        """
        for topic, end in ends.items():
            if end < question.positions[topic]:
                self._positions[topic] = _NOWHERE
                self._open[topic].clear()
            self._open[topic] = [*self._open[topic], (question.at_s, end)][-_MOST_OPEN:]
            self._prove(topic)

    def reached(self, topic: str, position: int) -> None:
        """Note that everything before this offset has been read. A topic that is read anew goes back."""
        self._positions[topic] = position
        self._prove(topic)

    def _prove(self, topic: str) -> None:
        position = self._positions[topic]
        proven = [at_s for at_s, end in self._open[topic] if end <= position]
        if proven:
            self._proven_at_s[topic] = max(self._proven_at_s[topic], *proven)
            self._open[topic] = [(at_s, end) for at_s, end in self._open[topic] if end > position]
