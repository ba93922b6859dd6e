"""What is said of good decisions where there is no table: first commands, and now and then how many there are. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_cli.session.screen import AgentRow

EVERY_S = 10.0
"""Seconds between two lines of figures: rare enough for the log of a long run."""

_Counts = tuple[int, int, int]
"""Decisions, commands and denials, of all agents."""


@dataclass(slots=True)
class Progress:
    """Remembers what was said, so that it is said once."""

    _commanded: set[str] = field(default_factory=set)
    """Agents whose first command was said."""
    _said: _Counts = (0, 0, 0)
    _rows: dict[str, AgentRow] = field(default_factory=dict)
    """Each agent as it was seen last: what it has done stays done when its manifest goes."""
    _due_s: float | None = None
    """When the next line of figures may come; None until there is a decision."""

    def news(self, rows: Sequence[AgentRow], now_s: float) -> list[str]:
        """Return the lines that are new at this moment."""
        first = [row.agent for row in rows if row.allowed and row.agent not in self._commanded]
        self._commanded.update(first)
        self._rows.update((row.agent, row) for row in rows)
        return [*(f"{agent}: first command" for agent in first), *self._figures(now_s)]

    def _figures(self, now_s: float) -> list[str]:
        """Say how many so far, unless that is what was said last."""
        rows = self._rows.values()
        counts = (sum(r.decisions for r in rows), sum(r.commands for r in rows), sum(r.denied for r in rows))
        if counts == self._said:
            return []
        if self._due_s is None:
            self._due_s = now_s + EVERY_S
        if now_s < self._due_s:
            return []
        self._said, self._due_s = counts, now_s + EVERY_S
        decisions, commands, denied = counts
        return [f"so far {decisions:,} decisions, {commands:,} commands, {denied:,} denied"]
