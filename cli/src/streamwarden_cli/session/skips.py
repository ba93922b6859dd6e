"""Decisions that gates have passed over in a run: which, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamwarden_judging.words import as_words

from streamwarden_cli.session.failures import MOST_CHARACTERS

if TYPE_CHECKING:
    from streamwarden_contract.audit import AuditRecord

MOST_KEPT = 100


@dataclass(frozen=True, slots=True)
class SkippedRange:
    """One range, as its audit record says."""

    agent: str
    partition: int
    first: int
    last: int
    why: str
    """Safe to show."""

    def line(self) -> str:
        """Say it in a line."""
        what = f"offset {self.first}" if self.first == self.last else f"offsets {self.first} to {self.last}"
        return f"{self.agent}: {what} of decision partition {self.partition} skipped, unjudged: {self.why}"


@dataclass(slots=True)
class Skips:
    """All of them."""

    count: int = 0
    offsets: int = 0
    """How many offsets the ranges have, those of aborted records included."""
    first: list[SkippedRange] = field(default_factory=list)
    """Those that came first."""
    _told: int = 0

    def add(self, agent: str, record: AuditRecord) -> None:
        """Take the audit record of a range."""
        at = record["decision"]
        last = at.get("lastOffset", at["offset"])
        self.count += 1
        self.offsets += last - at["offset"] + 1
        if len(self.first) < MOST_KEPT:
            found = SkippedRange(
                agent, at["partition"], at["offset"], last, as_words(record["message"], MOST_CHARACTERS)
            )
            self.first.append(found)

    def news(self) -> list[str]:
        """Return a sentence for each range since this was asked last."""
        lines = [found.line() for found in self.first[self._told :]]
        self._told = len(self.first)
        return lines

    def lines(self) -> list[str]:
        """Say at the end how many there were, and where to find them."""
        if not self.count:
            return []
        return [f"{self.count:,} ranges of decisions were skipped, unjudged: the audit has each (verdict Skipped)"]
