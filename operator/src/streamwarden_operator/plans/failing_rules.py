"""Which rules of a revision in force cannot be evaluated for some decisions, from what gates report. Pure.

What is known of a rule outlives the gate that said it: at zero nobody says anything, and the rule is no better for it.
A gate says for an hour after its last error that a rule errs, and when that was. So an error has one hour: that of a
gate that runs on, or what is left of it where the gate has ended and others judge.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from streamwarden_contract.acks import GateAck, RuleErrors
from streamwarden_contract.events import time_of
from streamwarden_contract.models.policy import FailingRule, PolicyRef

from streamwarden_operator.desired.status import shorten
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.rollout import bound_agents, live_gates

FORGOTTEN_AFTER = timedelta(hours=1)
"""So long gates must have judged by the revision since the rule's last error; as long as a gate itself says it."""
_JUDGING = frozenset({"InForce", "Rejected"})
"""One that refuses a newer set, or has halted a partition, judges the rest by what it names."""
_MAX_WORDS = 200


@dataclass(frozen=True, slots=True)
class Said:
    """What running gates say of a revision now."""

    rules: tuple[FailingRule, ...]
    """Rules that fail at some of them, the worst first."""
    judged: bool
    """Whether any of them judges by it: else nothing is known of now."""
    erred_at: Mapping[str, datetime] = field(default_factory=dict)
    """By rule: when it erred last; not there where a gate that says it does not say when."""


@dataclass(frozen=True, slots=True)
class Failing:
    """What is known of a revision."""

    rules: tuple[FailingRule, ...] = ()
    """The worst first."""
    quiet_since: Mapping[str, datetime] = field(default_factory=dict)
    """By rule that no gate names any more: its last error, or when gates began to judge by it again if later. Those
    that are forgotten are in it until it is known that the status says so: the write may fail."""
    erred_at: Mapping[str, datetime] = field(default_factory=dict)
    """By rule that a gate names: its last error."""

    def forgets_after(self, now: datetime) -> timedelta | None:
        """Return how long it is until the next rule is forgotten, if all stays quiet; None where none will be."""
        quiet = (self.quiet_since[rule.name] for rule in self.rules if rule.name in self.quiet_since)
        oldest = min(quiet, default=None)
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
    judged = any(ack.state in _JUDGING and policy in ack.policies for ack in gates)
    erred_at = {rule: at for rule, errors in said.items() if (at := _last_error(errors)) is not None}
    return Said(_worst_first(_added_up(rule, errors) for rule, errors in said.items()), judged, erred_at)


def still_failing(known: Failing, said: Said, now: datetime) -> Failing:
    """Add what is said now to what was known, and forget what has been quiet for long enough.

    Args:
        known: what was known of the same revision.
        said: what gates say now.
        now: the time.
    """
    speaking = {rule.name for rule in said.rules}
    silent = [rule for rule in known.rules if rule.name not in speaking]
    if not said.judged:
        return Failing(_worst_first([*said.rules, *silent]))
    last = {**known.erred_at, **known.quiet_since}
    # A gate's clock may be ahead, and the gate that met the newest error may have ended.
    erred_at = {name: min(max(at, last.get(name, at)), now) for name, at in said.erred_at.items()}
    since = {rule.name: last.get(rule.name, now) for rule in silent}
    kept = [rule for rule in silent if now - since[rule.name] < FORGOTTEN_AFTER]
    return Failing(_worst_first([*said.rules, *kept]), since, erred_at)


def _last_error(errors: Sequence[RuleErrors]) -> datetime | None:
    """Return when the last one was; None where one of the gates does not say."""
    times = [each.last_error_at_ms for each in errors if each.last_error_at_ms is not None]
    return time_of(max(times)) if len(times) == len(errors) else None


def _added_up(rule: str, errors: Sequence[RuleErrors]) -> FailingRule:
    count = sum(each.at_least for each in errors)
    return FailingRule(name=rule, at_least=count, gates=len(errors), message=shorten(errors[0].message, _MAX_WORDS))


def _worst_first(rules: Iterable[FailingRule]) -> tuple[FailingRule, ...]:
    return tuple(sorted(rules, key=lambda rule: (-rule.at_least, rule.name)))
