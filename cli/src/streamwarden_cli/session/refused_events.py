"""Whose events agents refused in a run as they are not what the contract promises, and why. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamwarden_judging.words import as_words

from streamwarden_cli.session.failures import MOST_CHARACTERS

if TYPE_CHECKING:
    from streamwarden_contract.decision import Failure

MOST_KEPT = 256
"""Topics with source and reason that are counted each: whoever writes an event may name another source each time."""
MOST_TOLD = 16


@dataclass(slots=True)
class _Kind:
    by_agent: Counter[str] = field(default_factory=Counter)
    message: str = ""
    """Of the newest: safe to show."""

    @property
    def events(self) -> int:
        # Two agents refuse the same events, so they are not added up.
        return max(self.by_agent.values(), default=0)


class RefusedEvents:
    """Counts them by topic, source and reason."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str, str], _Kind] = {}
        self._others = _Kind()

    def add(self, agent: str, failure: Failure) -> None:
        """Take a failure record that says what is wrong with the event; sources are claims."""
        source = as_words(failure.source or "", MOST_CHARACTERS)
        place = failure.cause.topic, source, str(failure.fault)
        kind = self._kinds.get(place)
        if kind is None:
            room = len(self._kinds) < MOST_KEPT
            kind = self._kinds.setdefault(place, _Kind()) if room else self._others
        kind.by_agent[agent] += 1
        kind.message = as_words(failure.message, MOST_CHARACTERS)

    def report(self) -> dict[str, object]:
        """Return the worst as plain JSON, and how many events all others are; nothing where there are none."""
        worst = sorted(self._kinds.items(), key=lambda item: (-item[1].events, item[0]))
        if not worst:
            return {}
        sources = [
            {"topic": topic, "source": source, "reason": reason, "events": kind.events, "message": kind.message}
            for (topic, source, reason), kind in worst[:MOST_TOLD]
        ]
        further = self._others.events + sum(kind.events for _, kind in worst[MOST_TOLD:])
        return {"events": sum(kind.events for _, kind in worst) + self._others.events, "sources": sources} | (
            {"further": further} if further else {}
        )
