"""Inputs that agents gave up on, as people see them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamwarden_judging.words import as_words

if TYPE_CHECKING:
    from streamwarden_contract.audit import AuditRecord

MOST_KEPT = 100
_MOST_TOLD = 5
MOST_CHARACTERS = 400
"""Longest message of an audit record that is shown."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """One input."""

    agent: str
    entity: str | None
    """What it was about."""
    place: str
    """``topic/partition/offset``."""
    why: str
    """The agent's own words, with its file and line: safe to show."""

    def line(self) -> str:
        """Say it in a line."""
        about = "" if self.entity is None else f" ({self.entity})"
        return f"{self.agent} has given up {self.place}{about}: {self.why}"


class Failures:
    """The first of them, and those that have not been told yet."""

    def __init__(self) -> None:
        self.first: list[GivenUp] = []
        self._untold: deque[GivenUp] = deque(maxlen=_MOST_TOLD)
        self._untold_count = 0

    def add(self, agent: str, record: AuditRecord) -> None:
        """Take the audit record of a failure."""
        cause = record["cause"] or {}
        found = GivenUp(
            agent,
            None if record["decision"]["entity"] is None else as_words(record["decision"]["entity"], MOST_CHARACTERS),
            as_words("/".join(str(cause.get(name, "?")) for name in ("topic", "partition", "offset")), MOST_CHARACTERS),
            as_words(record["message"], MOST_CHARACTERS),
        )
        if len(self.first) < MOST_KEPT:
            self.first.append(found)
        self._untold.append(found)
        self._untold_count += record["decision"].get("records", 1)

    def news(self) -> list[str]:
        """Return lines about those since the last call: the newest few, and how many more there were."""
        lines = [found.line() for found in self._untold]
        more = self._untold_count - len(lines)
        self._untold.clear()
        self._untold_count = 0
        return [f"{more} more inputs were given up", *lines] if more else lines
