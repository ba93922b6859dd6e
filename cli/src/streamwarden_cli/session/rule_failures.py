"""Rules that said neither yes nor no in a run: how often, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from streamwarden_contract.reasons import VerdictReason

if TYPE_CHECKING:
    from streamwarden_contract.audit import AuditRecord

MOST_RULES = 100
"""Rules whose failures are told; those of further ones are not counted."""
_REASONS = frozenset({VerdictReason.RULE_ERROR, VerdictReason.POLICY_NOT_APPLICABLE, VerdictReason.INVALID_SCHEMA})


class RuleFailure(TypedDict):
    """What is known of one rule."""

    count: int
    message: str
    """The newest, in the gate's words."""


@dataclass(slots=True)
class RuleFailures:
    """What is known of all of them."""

    by_rule: dict[str, RuleFailure] = field(default_factory=dict)
    """By ``policy/rule``; by policy or reason where no rule was asked."""
    _news: list[str] = field(default_factory=list)

    def add(self, record: AuditRecord) -> None:
        """Take what an audit record says of rules that could not be evaluated."""
        if record["reason"] in _REASONS:
            self._count(record["rule"] or record["reason"], record["message"])
        for found in record["wouldDeny"]:
            if found["reason"] in _REASONS:
                self._count(found["rule"] or found["policy"], found.get("message", ""))

    def news(self) -> list[str]:
        """Return a sentence for each rule that has failed for the first time since this was asked last."""
        news, self._news = self._news, []
        return news

    def lines(self) -> list[str]:
        """Return a sentence for each rule: how often, and why the last time."""
        return [
            f"{rule} could not be evaluated {failed['count']:,} times, the last time: {failed['message']}"
            for rule, failed in sorted(self.by_rule.items())
        ]

    def _count(self, rule: str, message: str) -> None:
        known = self.by_rule.get(rule)
        if known is not None:
            known["count"] += 1
            known["message"] = message
        elif len(self.by_rule) < MOST_RULES:
            self.by_rule[rule] = {"count": 1, "message": message}
            self._news.append(f"{rule} could not be evaluated, which denies: {message}")
