"""Why records of agents could not be judged in a run: how often, and the first of each kind. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from streamwarden_contract.reasons import DeadLetterReason
from streamwarden_judging.words import as_words

from streamwarden_cli.session.failures import MOST_CHARACTERS

if TYPE_CHECKING:
    from streamwarden_contract.audit import AuditRecord


@dataclass(slots=True)
class DeadLetterKind:
    """The dead letters of one agent that have one reason."""

    agent: str
    reason: str
    """A ``DeadLetterReason``."""
    count: int
    message: str
    """What was wrong with the first of them: safe to show."""


class DeadLetters:
    """What is known of all of them. There are as many reasons as the gate knows, so nothing else bounds it."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], DeadLetterKind] = {}
        self._news: list[str] = []

    def add(self, agent: str, record: AuditRecord) -> None:
        """Take an audit record; one that is of no dead letter counts for nothing."""
        reason, decision = record["deadLetter"], record["decision"]
        if reason is None:
            return
        if (known := self._kinds.get((agent, reason))) is None:
            message = as_words(record["message"], MOST_CHARACTERS)
            known = self._kinds[agent, reason] = DeadLetterKind(agent, reason, 0, message)
            if reason != DeadLetterReason.AGENT_FAILURE:
                about = "" if decision["entity"] is None else f" about {as_words(decision['entity'], MOST_CHARACTERS)}"
                self._news.append(f"{agent}: a decision{about} is a dead letter, the first with {reason}: {message}")
        known.count += decision.get("records", 1)

    def news(self) -> list[str]:
        """Return a sentence for each kind that has come since this was asked last; given-up inputs are told apart."""
        news, self._news = self._news, []
        return news

    def report(self) -> list[dict[str, object]]:
        """Return all kinds as plain JSON, those with the most first."""
        kinds = sorted(self._kinds.values(), key=lambda kind: (-kind.count, kind.agent, kind.reason))
        return [asdict(kind) for kind in kinds]
