"""What all policies of an agent take of one decision together: what was in force first is served first. Pure."""

from dataclasses import dataclass, field
from typing import Final

from streamwarden_operator.desired.rule_checks import AgentDecisions, RuleChecks, Spent

NEWEST: Final = 2**63
"""In place of a revision: that of a policy that has none yet comes after all others."""


@dataclass(slots=True)
class Spending:
    """What policies take, by agent and decision type. ``add`` the oldest revision first."""

    checks: dict[str, RuleChecks] = field(default_factory=dict)
    """By policy: what was added."""
    _by_place: dict[AgentDecisions, list[tuple[int, str, float]]] = field(default_factory=dict)

    def add(self, name: str, revision: int, checks: RuleChecks) -> None:
        """Take in a policy. Where it is not applicable nobody asks its rules."""
        self.checks[name] = checks
        for pair, cost_ns in checks.costs_ns.items():
            if pair not in checks.not_applicable:
                self._by_place.setdefault(pair.place, []).append((revision, name, cost_ns))

    def before(self, name: str, revision: int) -> Spent:
        """Return what all others take that were in force before a policy."""

        def spent(place: AgentDecisions) -> float:
            known = self._by_place.get(place, ())
            return sum(cost_ns for other, whose, cost_ns in known if whose != name and other < revision)

        return spent
