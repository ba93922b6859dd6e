"""Whether a policy's rules check for what the agents that it selects decide: one answer for each agent and type.

Agents of the same contracts share an environment, and what was checked once is kept.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from sys import intern
from typing import NamedTuple, cast

from streamwarden_contract import canonical
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.models.policy import PolicySpec
from streamwarden_judging.typed.checking import CheckedRule, RuleChecker, checker_for
from streamwarden_judging.typed.data_types import ParamsError, typed_data
from streamwarden_judging.typed.facts import Covered, envelope_types, rule_types
from streamwarden_judging.typed.messages import RuleFault

MAX_ENVIRONMENTS = 256
MAX_KEPT = 16_384
"""Answers that are kept: rules times environments."""
MAX_TOTAL_COST_NS = 300_000_000
"""What all rules may take at most for one decision, of one policy and of all that an agent is judged by: while they are
asked, no newer policy is taken over, and from ``kubectl apply`` until one is in force half a second may pass."""
_MAX_SHOWN = 4
AgentDecisions = tuple[str, str]
"""Agent and decision type."""
Spent = Callable[[AgentDecisions], float]
"""What the policies before take of one decision, in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Governed:
    """An agent, as far as policies go by it."""

    name: str
    labels: Mapping[str, str]
    schemas: Mapping[str, str | None]
    """By decision type: the text of the schema that its parameters must fit, None where there is none."""


class Pair(NamedTuple):
    """An agent and a decision type of it. A tuple, since it is a key a hundred thousand times for one edit."""

    agent: str
    decision_type: str
    schema: str | None = None

    @property
    def place(self) -> AgentDecisions:
        """Agent and type, without the schema."""
        return self.agent, self.decision_type


@dataclass(frozen=True, slots=True)
class RuleChecks:
    """What is known of a policy's rules."""

    pairs: tuple[Pair, ...] = ()
    """What the policy covers."""
    refused: Mapping[int, tuple[RuleFault, ...]] = field(default_factory=dict)
    """By the place of the rule: why it cannot be used for anything that the policy covers."""
    not_applicable: Mapping[Pair, str] = field(default_factory=dict)
    """Pairs for which a rule does not check, and the first one that does not, with its fault."""
    untyped: Mapping[Pair, str] = field(default_factory=dict)
    """The same, of pairs that were in force already: they go on."""
    dynamic: tuple[str, ...] = ()
    """What rules read through ``dyn(...)``."""
    unguarded: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """By the place of the rule: what it reads though decisions that are covered may leave it out."""
    costs_ns: Mapping[Pair, float] = field(default_factory=dict)
    """What its rules take of one decision, where they check."""
    params_fault: str = ""
    """Why no rule can be checked against the data beside them; empty where it can."""


_Types = tuple[tuple[str, str | None], ...]
"""Decision types with their schemas."""


@dataclass(frozen=True, slots=True)
class _Beside:
    """What all rules of a policy see beside the decision."""

    labels: tuple[str, ...]
    """What may be read of ``agent.labels``."""
    params: str | None
    """The data as canonical JSON, interned: it is a part of the key of all that is kept of its rules."""

    @property
    def data(self) -> dict[str, canonical.JsonValue] | None:
        """The data."""
        if self.params is None:
            return None
        return cast("dict[str, canonical.JsonValue]", canonical.decode(self.params.encode()))


def pairs_of(spec: PolicySpec, agents: Iterable[Governed]) -> tuple[Pair, ...]:
    """Return what a policy covers, in order."""
    decisions, selects = spec.match.decisions, spec.match.agent_selector.selects
    return tuple(
        sorted(
            (
                Pair(agent.name, decision_type, schema)
                for agent in agents
                if selects(agent.labels)
                for decision_type, schema in agent.schemas.items()
                if not decisions or decision_type in decisions
            ),
            key=lambda pair: pair.place,
        )
    )


def check_rules(
    spec: PolicySpec,
    pairs: tuple[Pair, ...],
    in_force: Collection[AgentDecisions] = frozenset(),
    spent: Spent = lambda _: 0.0,
) -> RuleChecks:
    """Check a policy's rules for everything that it covers.

    Where it covers nothing (yet), only what all decisions have in common is checked.

    Args:
        spec: the policy.
        pairs: what it covers.
        in_force: agent and type of those pairs that judge by exactly these rules and schemas already.
        spent: what the agent's other policies take, as far as they come before this one.
    """
    try:
        beside = _beside(spec)
    except ParamsError as error:
        return RuleChecks(pairs, not_applicable=dict.fromkeys(pairs, str(error)), params_fault=str(error))
    if not pairs:
        decisions = tuple(sorted(spec.match.decisions))
        found = [_check_envelope(rule.require, decisions, beside) for rule in spec.rules]
        faults = {index: each for index, each in enumerate(found) if not isinstance(each, CheckedRule)}
        return RuleChecks(refused=faults, dynamic=_dynamic(found))
    return _check_pairs(spec, pairs, beside, in_force, spent)


def _check_pairs(
    spec: PolicySpec, pairs: tuple[Pair, ...], beside: _Beside, in_force: Collection[AgentDecisions], spent: Spent
) -> RuleChecks:
    types = {(pair.decision_type, pair.schema) for pair in pairs}
    names = {decision_type for decision_type, _ in types}
    types |= {(decision_type, None) for decision_type in spec.match.decisions if decision_type not in names}
    known = _in_order(types)
    checked = {
        own: _check_all(spec, own, known, beside) for own in {(pair.decision_type, pair.schema) for pair in pairs}
    }
    cost_of = {own: sum(_costs(outcomes)) for own, outcomes in checked.items()}
    fault_of = {own: _first_fault(spec, outcomes) for own, outcomes in checked.items()}
    costs_ns = {pair: cost_of[pair.decision_type, pair.schema] for pair in pairs}
    over = {pair: said for pair, own in costs_ns.items() if (said := _over(own, spent(pair.place)))}
    broken = {pair: said for pair in pairs if (said := fault_of[pair.decision_type, pair.schema] or over.get(pair, ""))}
    untyped = {pair: said for pair, said in broken.items() if pair.place in in_force}
    order = sorted(checked, key=lambda own: (own[1] is None, own))  # what a schema says is said best
    by_rule = [[checked[own][index] for own in order] for index in range(len(spec.rules))]
    refused: dict[int, tuple[RuleFault, ...]] = {}
    for index, outcomes in enumerate(by_rule):
        faults_of = [each for each in outcomes if not isinstance(each, CheckedRule)]
        if len(faults_of) == len(outcomes) and not untyped:
            refused[index] = faults_of[0]
    if len(over) == len(pairs) and not untyped and not refused:
        costs = _costs(checked[pairs[0].decision_type, pairs[0].schema])
        refused[costs.index(max(costs))] = (RuleFault(1, 1, over[pairs[0]]),)
    return RuleChecks(
        pairs,
        refused,
        {pair: said for pair, said in broken.items() if pair not in untyped},
        untyped,
        _dynamic([each for outcomes in by_rule for each in outcomes]),
        {index: paths for index, outcomes in enumerate(by_rule) if (paths := _unguarded(outcomes))},
        costs_ns,
    )


def listed(pairs: Mapping[Pair, str]) -> str:
    """Write pairs with what is wrong with them, the first few of them."""
    shown = [f"{agent}/{kind} ({said})" for (agent, kind), said in _by_place(pairs)]
    more = f" and {len(shown) - _MAX_SHOWN} more" if len(shown) > _MAX_SHOWN else ""
    return ", ".join(shown[:_MAX_SHOWN]) + more


def _beside(spec: PolicySpec) -> _Beside:
    """Return what the rules of a policy see.

    Raises:
        ParamsError: its data cannot be typed.
    """
    labels = tuple(sorted(spec.match.agent_selector.match_labels))
    if spec.params is None:
        return _Beside(labels, None)
    return _Beside(labels, intern(canonical.encode(typed_data(spec.params, "params")).decode()))


def _by_place(pairs: Mapping[Pair, str]) -> list[tuple[AgentDecisions, str]]:
    return sorted((pair.place, said) for pair, said in pairs.items())


def _in_order(types: Iterable[tuple[str, str | None]]) -> _Types:
    return tuple(sorted(types, key=lambda each: (each[0], each[1] or "")))


def _check_all(
    spec: PolicySpec, own: tuple[str, str | None], known: _Types, beside: _Beside
) -> list[CheckedRule | tuple[RuleFault, ...]]:
    outcomes = [_check(rule.require, own, known, beside) for rule in spec.rules]
    costs_ns = _costs(outcomes)
    if sum(costs_ns) > MAX_TOTAL_COST_NS:
        message = (
            f"all rules of the policy together may take {sum(costs_ns) / 1e9:.2f} s for one decision, and at most "
            f"{MAX_TOTAL_COST_NS / 1e9:.1f} s is allowed: this one takes {max(costs_ns) / 1e9:.2f} s of it"
        )
        outcomes[costs_ns.index(max(costs_ns))] = (RuleFault(1, 1, message),)
    return outcomes


def _costs(outcomes: Iterable[CheckedRule | tuple[RuleFault, ...]]) -> list[float]:
    return [each.cost_ns if isinstance(each, CheckedRule) else 0.0 for each in outcomes]


def _over(own_ns: float, spent_ns: float) -> str:
    """Say that there is too little left for a policy; nothing where there is enough."""
    if not own_ns or own_ns + spent_ns <= MAX_TOTAL_COST_NS:
        return ""
    return (
        f"all policies of the agent together may take {(own_ns + spent_ns) / 1e9:.2f} s for one decision, and at most "
        f"{MAX_TOTAL_COST_NS / 1e9:.1f} s is allowed: this one takes {own_ns / 1e9:.2f} s of it"
    )


def _first_fault(spec: PolicySpec, outcomes: Iterable[CheckedRule | tuple[RuleFault, ...]]) -> str:
    for rule, outcome in zip(spec.rules, outcomes, strict=True):
        if not isinstance(outcome, CheckedRule):
            return f"rule {rule.name!r}: {outcome[0]}"
    return ""


def _dynamic(outcomes: Iterable[CheckedRule | tuple[RuleFault, ...]]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(path for each in outcomes if isinstance(each, CheckedRule) for path in sorted(each.dynamic))
    )


def _unguarded(outcomes: Iterable[CheckedRule | tuple[RuleFault, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for each in outcomes if isinstance(each, CheckedRule) for path in each.unguarded))


@lru_cache(maxsize=MAX_KEPT)
def _check(
    expression: str, own: tuple[str, str | None], known: _Types, beside: _Beside
) -> CheckedRule | tuple[RuleFault, ...]:
    outcome = _checker(own, known, beside).check(expression)
    return outcome if isinstance(outcome, CheckedRule) else tuple(outcome)


@lru_cache(maxsize=MAX_KEPT)
def _check_envelope(
    expression: str, decisions: tuple[str, ...], beside: _Beside
) -> CheckedRule | tuple[RuleFault, ...]:
    outcome = checker_for(*envelope_types(decisions, beside.labels, beside.data)).check(expression, bounded=False)
    return outcome if isinstance(outcome, CheckedRule) else tuple(outcome)


@lru_cache(maxsize=MAX_ENVIRONMENTS)
def _checker(own: tuple[str, str | None], known: _Types, beside: _Beside) -> RuleChecker:
    others = [_covered(each) for each in known if each != own]
    return checker_for(*rule_types(_covered(own), others, beside.labels, beside.data))


def _covered(decision: tuple[str, str | None]) -> Covered:
    decision_type, schema = decision
    return Covered(decision_type, None if schema is None else _decoded(schema))


@lru_cache(maxsize=MAX_ENVIRONMENTS)
def _decoded(schema: str) -> canonical.JsonValue:
    """Return the schema as JSON; None for what is none: whoever published it has told."""
    try:
        return canonical.decode(schema.encode())
    except MalformedEventError:
        return None
