"""Which rules of a revision in force cannot be evaluated for some decisions, from what gates report. Pure.

What is known of a rule outlives the gate that said it: at zero nobody says anything, and the rule is no better for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from streamwarden_contract.acks import GateAck, RuleErrors
from streamwarden_contract.models.policy import FailingRule, PolicyRef

from streamwarden_operator.desired.status import shorten
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.rollout import bound_agents, live_gates

FORGOTTEN_AFTER = timedelta(hours=1)
"""So long gates must have judged by the revision, and none of them met an error of the rule."""
_MAX_WORDS = 200


@dataclass(frozen=True, slots=True)
class Said:
    """What running gates say of a revision now."""

    rules: tuple[FailingRule, ...]
    """Rules that fail at some of them, the worst first."""
    judged: bool
    """Whether any of them judges by it: else nothing is known of now."""


@dataclass(frozen=True, slots=True)
class Failing:
    """What is known of a revision."""

    rules: tuple[FailingRule, ...] = ()
    """The worst first."""
    quiet_since: Mapping[str, datetime] = field(default_factory=dict)
    """By rule: since when gates judge by it and none says any more that it fails."""

    def forgets_after(self, now: datetime) -> timedelta | None:
        """Return how long it is until the next rule is forgotten, if all stays quiet; None where none will be."""
        oldest = min(self.quiet_since.values(), default=None)
        return None if oldest is None else oldest + FORGOTTEN_AFTER - now


def said_to_fail(state: LogState, acks: Sequence[GateAck], policy: PolicyRef) -> Said:
    """Gather what running gates say.

    Args:
        state: the log.
        acks: of the namespace's gates.
        policy: the policy, at its revision in force.
    """
    record = state.policies.get(policy.name)
    names = {rule.name for rule in record.spec.rules} if record is not None else set()
    gates = live_gates(acks, bound_agents(state, policy))
    said: dict[str, list[RuleErrors]] = {}
    for ack in gates:
        for errors in ack.rule_errors:
            if errors.policy == policy and errors.rule in names:  # who writes acks could make names up
                said.setdefault(errors.rule, []).append(errors)
    judged = any(ack.state == "InForce" and policy in ack.policies for ack in gates)
    return Said(_worst_first(_added_up(rule, errors) for rule, errors in said.items()), judged)


def still_failing(known: Failing, said: Said, now: datetime) -> Failing:
    """Add what is said now to what was known, and forget what has been quiet for long enough.

    Args:
        known: what was known of the same revision.
        said: what gates say now.
        now: the time.
    """
    speaking = {rule.name for rule in said.rules}
    silent = [rule for rule in known.rules if rule.name not in speaking]
    since = {rule.name: known.quiet_since.get(rule.name, now) for rule in silent} if said.judged else {}
    kept = [rule for rule in silent if now - since.get(rule.name, now) < FORGOTTEN_AFTER]
    quiet_since = {rule.name: since[rule.name] for rule in kept if rule.name in since}
    return Failing(_worst_first([*said.rules, *kept]), quiet_since)


def _added_up(rule: str, errors: Sequence[RuleErrors]) -> FailingRule:
    count = sum(each.at_least for each in errors)
    return FailingRule(name=rule, at_least=count, gates=len(errors), message=shorten(errors[0].message, _MAX_WORDS))


def _worst_first(rules: Iterable[FailingRule]) -> tuple[FailingRule, ...]:
    return tuple(sorted(rules, key=lambda rule: (-rule.at_least, rule.name)))
