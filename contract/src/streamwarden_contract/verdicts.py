"""The words that a verdict has in audit records, command headers and rules: each with its strength and what it does."""

from enum import StrEnum
from typing import Self


class VerdictWord(StrEnum):
    """What is said of a record of a decision topic."""

    strength: int
    """Of all that policies say of one decision the strongest counts. 0: no policy says it."""
    makes: str
    """The field of an audit record that only this verdict fills, with what it makes of the record; empty: nothing."""

    def __new__(cls, word: str, strength: int, makes: str) -> Self:
        """Make one row of the table."""
        row = str.__new__(cls, word)
        row._value_ = word
        row.strength, row.makes = strength, makes
        return row


class Effect(VerdictWord):
    """What policies say of a decision."""

    ALLOW = "Allow", 1, "command"
    DENY = "Deny", 2, ""


class Unjudged(VerdictWord):
    """What is said where no policy was asked."""

    DEAD_LETTER = "DeadLetter", 0, "deadLetter"
    SKIPPED = "Skipped", 0, ""
