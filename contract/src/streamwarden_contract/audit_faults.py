"""What can be wrong with an audit: the words, and a list of findings that cannot grow without end."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

MOST_TOLD = 100
"""Findings that are kept of one chain; the rest is counted."""


class AuditFaultKind(StrEnum):
    """What is wrong with an audit. Words are added and never changed."""

    UNREADABLE = "Unreadable"
    """No audit record of a known format, or its key is another chain's; or committed metadata that holds no head."""
    GAP = "Gap"
    """Records are missing before this one."""
    EDITED = "Edited"
    """The record before this one is not the one that this was written after."""
    FORK = "Fork"
    """A record at a length that the chain has one of already: two follow the same one, or the order is another."""
    REPEATED = "Repeated"
    """The same record again, or a decision that is judged a second time or out of order."""
    ROLLED_BACK = "RolledBack"
    """It was judged under an older epoch than a record before it."""
    FORGED = "Forged"
    """The id of the record, or of its command, does not follow from the decision's place."""
    CONTRADICTORY = "Contradictory"
    """Verdict, command and dead letter do not agree."""
    TRUNCATED = "Truncated"
    """The gate has committed a longer chain than the topic holds."""
    REWRITTEN = "Rewritten"
    """The gate has committed another record at this length than the topic holds."""
    UNCOMMITTED = "Uncommitted"
    """The topic holds records that the gate has not committed: somebody else has added them."""
    NOT_AUDITED = "NotAudited"
    """A decision that the gate has committed has no audit record."""
    ALTERED = "Altered"
    """The record on the decision topic is not the one that was judged."""
    NO_DECISION = "NoDecision"
    """What was judged is not on the decision topic, though records before and after it are."""


class Place(NamedTuple):
    """Of a record, or of a committed offset."""

    topic: str
    partition: int
    offset: int

    @property
    def text(self) -> str:
        """Write it for people."""
        return f"{self.topic} [{self.partition}] @{self.offset}"


class AuditFault(NamedTuple):
    """One thing that is wrong."""

    kind: AuditFaultKind
    place: Place
    """Of what shows it."""
    message: str


@dataclass(slots=True)
class Faults:
    """The first ``MOST_TOLD`` of what was found, and how many there are in all."""

    told: list[AuditFault] = field(default_factory=list)
    count: int = 0

    def add(self, kind: AuditFaultKind, place: Place, message: str) -> None:
        """Take one more."""
        self.count += 1
        if len(self.told) < MOST_TOLD:
            self.told.append(AuditFault(kind, place, message))

    def take_back(self, kind: AuditFaultKind, place: Place) -> None:
        """Drop one that was added, as something has disproved it."""
        self.count -= 1
        self.told = [each for each in self.told if (each.kind, each.place) != (kind, place)]

    def __iter__(self) -> Iterator[AuditFault]:
        return iter(self.told)
