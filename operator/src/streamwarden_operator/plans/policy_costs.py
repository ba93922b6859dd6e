"""What all policies of an agent take of one decision together: what was in force first is served first. Pure."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from streamwarden_operator.desired.rule_checks import AgentDecisions, RuleChecks, Spent

NEWEST: Final = 2**63
"""In place of a revision: that of a policy that has none yet comes after all others that are known."""


@dataclass(slots=True)
class _Running:
    """What policies take at one place, the oldest revision first, with running sums: each policy asks for one."""

    revisions: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    costs_ns: list[float] = field(default_factory=list)
    sums_ns: list[float] = field(default_factory=list)

    def add(self, name: str, revision: int, cost_ns: float) -> None:
        index = bisect_right(self.revisions, revision)
        self.revisions.insert(index, revision)
        self.names.insert(index, name)
        self.costs_ns.insert(index, cost_ns)
        if index == len(self.sums_ns):
            self.sums_ns.append(self.up_to(NEWEST) + cost_ns)
        else:
            self.sums_ns = list(accumulate(self.costs_ns))

    def remove(self, name: str) -> None:
        index = self.names.index(name)
        del self.revisions[index], self.names[index], self.costs_ns[index]
        self.sums_ns = list(accumulate(self.costs_ns))

    def up_to(self, revision: int) -> float:
        end = len(self.sums_ns) if revision == NEWEST else bisect_left(self.revisions, revision)
        return self.sums_ns[end - 1] if end else 0.0


@dataclass(slots=True)
class Spending:
    """What policies take, by agent and decision type. It is quickest to ``add`` the oldest revision first."""

    checks: dict[str, RuleChecks] = field(default_factory=dict)
    """By policy: what was added."""
    _revisions: dict[str, int] = field(default_factory=dict)
    _own: dict[str, dict[AgentDecisions, float]] = field(default_factory=dict)
    """By policy: what it takes."""
    _by_place: dict[AgentDecisions, _Running] = field(default_factory=dict)

    def add(self, name: str, revision: int, checks: RuleChecks) -> None:
        """Take in a policy, in place of what it took until now. Where it is not applicable nobody asks its rules."""
        for place in self._own.get(name, {}):
            self._by_place[place].remove(name)
        self.checks[name], self._revisions[name] = checks, revision
        costs = checks.costs_ns.items()
        self._own[name] = {pair.place: cost_ns for pair, cost_ns in costs if pair not in checks.not_applicable}
        for place, cost_ns in self._own[name].items():
            running = self._by_place.get(place)
            if running is None:
                running = self._by_place[place] = _Running()
            running.add(name, revision, cost_ns)

    def before(self, name: str, revision: int) -> Spent:
        """Return what all others take that were in force before a policy, or come before it if it is the newest."""
        counted = revision == NEWEST or self._revisions.get(name, revision) < revision
        own = self._own.get(name, {}) if counted else {}

        def spent(place: AgentDecisions) -> float:
            known = self._by_place.get(place)
            return known.up_to(revision) - own.get(place, 0.0) if known is not None else 0.0

        return spent
