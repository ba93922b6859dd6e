"""Judging a decision by the policies that cover it. Pure, total, closed by default, and it names the rule.

The order of policies and rules never changes the effect, only which of several equally strong rules is named.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from streamwarden_contract.reasons import VerdictReason
from streamwarden_contract.verdicts import Effect

_MAX_NAMED = 8
"""Policies that one message names."""


class Expression(Protocol):
    """A compiled expression."""

    def evaluate(self, facts: object) -> bool | str:
        """Return the boolean result; or in words why there is none: an error, or a value of another type."""
        ...


@dataclass(frozen=True, slots=True)
class BoundRule:
    """What must hold for a decision, and what follows where it does not."""

    name: str
    require: Expression
    otherwise: Effect
    message: str = ""


@dataclass(frozen=True, slots=True)
class BoundPolicy:
    """A policy bound to an agent, compiled."""

    namespace: str
    name: str
    revision: int
    decisions: frozenset[str]
    """Decision types that it covers; empty means all."""
    enforce: bool
    rules: Sequence[BoundRule]
    all_rules: Expression | None = None
    """The conjunction of the rules, one evaluation in place of many; None where there are no rules."""
    not_applicable: frozenset[str] = frozenset()
    """Decision types that its rules cannot be checked for: they are denied, whatever the rules say."""
    at_revision: str = field(init=False, compare=False)
    """``namespace/name@revision``, as audit records and command headers name it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "at_revision", f"{self.namespace}/{self.name}@{self.revision}")

    def covers(self, decision_type: str) -> bool:
        """Tell whether decisions of this type are this policy's business."""
        return not self.decisions or decision_type in self.decisions


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that does not hold."""

    effect: Effect
    reason: VerdictReason
    policy: str
    """``namespace/name@revision``"""
    rule: str
    """``policy/rule``; empty where the policy as a whole cannot be applied."""
    message: str = ""


class Verdict(NamedTuple):
    """The answer, and the rule that gave it."""

    effect: Effect
    reason: VerdictReason
    rule: str | None = None
    """``policy/rule``: the one that decided, where one did."""
    message: str = ""
    policies: tuple[str, ...] = ()
    """Every Enforce policy that covers the decision, ``namespace/name@revision``."""
    would_deny: tuple[Finding, ...] = ()
    """What Audit policies would have denied."""
    policy: str = ""
    """``namespace/name@revision`` of the policy that ``rule`` is of; two may have one name, in two namespaces."""


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The policies of one agent, compiled: what judges while it is in force."""

    enforcing: tuple[BoundPolicy, ...] = ()
    auditing: tuple[BoundPolicy, ...] = ()
    fused: Mapping[str, tuple[tuple[BoundPolicy, ...], Expression | None]] = field(default_factory=dict)
    """By decision type: the Enforce policies that cover it, and the conjunction of all their rules."""


def judge(policies: PolicySet, decision_type: str, facts: object) -> Verdict:
    """Judge one decision by the strongest effect of the Enforce rules that are not true.

    Without a covering Enforce policy the answer is Deny, so a gate that knows no policy fails closed.

    Args:
        policies: the set in force.
        decision_type: the decision's ``type``.
        facts: what the rules see, in the form that the set's expressions take.
    """
    covering, conjunction = policies.fused.get(decision_type) or _covering(policies, decision_type)
    would_deny = tuple(
        finding
        for policy in policies.auditing
        if policy.covers(decision_type)
        for finding in _audited(policy, decision_type, facts)
    )
    if not covering:
        return Verdict(
            Effect.DENY,
            VerdictReason.NO_POLICY,
            message=f"no Enforce policy covers decisions of type {decision_type}",
            would_deny=would_deny,
        )
    names = tuple(policy.at_revision for policy in covering)
    lame = [policy.at_revision for policy in covering if decision_type in policy.not_applicable]
    if lame:
        message = _not_applicable(decision_type, lame)
        return Verdict(Effect.DENY, VerdictReason.POLICY_NOT_APPLICABLE, None, message, names, would_deny)
    if conjunction is None or conjunction.evaluate(facts) is not True:
        strongest = max(
            (finding for policy in covering for finding in _findings(policy, facts)),
            key=lambda finding: finding.effect.strength,
            default=None,
        )
        if strongest is not None:
            found, policy = strongest, strongest.policy
            return Verdict(found.effect, found.reason, found.rule, found.message, names, would_deny, policy)
    return Verdict(Effect.ALLOW, VerdictReason.RULES_HOLD, policies=names, would_deny=would_deny)


def deny(policies: PolicySet, decision_type: str, reason: VerdictReason, message: str) -> Verdict:
    """Deny a decision of which no rule can be asked; Audit policies would deny it too."""
    return Verdict(
        Effect.DENY,
        reason,
        message=message,
        policies=tuple(policy.at_revision for policy in policies.enforcing if policy.covers(decision_type)),
        would_deny=tuple(
            Finding(Effect.DENY, reason, policy.at_revision, "", message)
            for policy in policies.auditing
            if policy.covers(decision_type)
        ),
    )


def _covering(policies: PolicySet, decision_type: str) -> tuple[tuple[BoundPolicy, ...], Expression | None]:
    return tuple(policy for policy in policies.enforcing if policy.covers(decision_type)), None


def _audited(policy: BoundPolicy, decision_type: str, facts: object) -> Iterator[Finding]:
    if decision_type not in policy.not_applicable:
        yield from _findings(policy, facts)
        return
    message = _not_applicable(decision_type, [policy.at_revision])
    yield Finding(Effect.DENY, VerdictReason.POLICY_NOT_APPLICABLE, policy.at_revision, "", message)


def _not_applicable(decision_type: str, policies: Sequence[str]) -> str:
    more = f" and {len(policies) - _MAX_NAMED} more" if len(policies) > _MAX_NAMED else ""
    named = ", ".join(policies[:_MAX_NAMED])
    return f"rules of {named}{more} do not fit decisions of type {decision_type}: the conditions of the Policy say why"


def _findings(policy: BoundPolicy, facts: object) -> Iterator[Finding]:
    """Judge a policy rule by rule; nothing where its conjunction already says that all hold."""
    if policy.all_rules is not None and policy.all_rules.evaluate(facts) is True:
        return
    for rule in policy.rules:
        name = f"{policy.name}/{rule.name}"
        match rule.require.evaluate(facts):
            case True:
                continue
            case False:
                yield Finding(rule.otherwise, VerdictReason.RULE_NOT_SATISFIED, policy.at_revision, name, rule.message)
            case failed:
                yield Finding(Effect.DENY, VerdictReason.RULE_ERROR, policy.at_revision, name, failed)
