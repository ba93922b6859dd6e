"""Where a policy stands: the conditions Published and RolledOut."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from streamwarden_contract.models.policy import FailingRule, GateRejection, PolicySpec, PolicyStatus
from streamwarden_contract.policylog import PolicyRecord
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.acceptance import ACCEPTED, Refusal, accepted
from streamwarden_operator.desired.checks.chain import HOLDS, Finding, decide, held_back, unpublished
from streamwarden_operator.desired.held_back import TooNew
from streamwarden_operator.desired.rule_checks import RuleChecks, listed
from streamwarden_operator.desired.rule_remarks import remarks
from streamwarden_operator.desired.status import find_condition, is_true, set_condition, summarize
from streamwarden_operator.errors import OperatorError

PUBLISHED = "Published"
ROLLED_OUT = "RolledOut"
RULES_FAILING = "RulesFailing"
_MAX_SHOWN = 4


# --- Accepted --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A policy, and what is known of its rules."""

    spec: PolicySpec
    refusals: Sequence[Refusal]
    checks: RuleChecks
    cannot_run: tuple[str, ...] = ()
    """Rules in force that gates of this version cannot compile."""


def something_is_wrong(policy: Acceptance) -> Finding | None:
    if not policy.refusals:
        return None
    found = accepted(policy.refusals)
    return Finding(found.status, found.reason, found.message)


def gates_in_place_alone_can_run_it(policy: Acceptance) -> Finding | None:
    if not policy.checks.untyped or not policy.cannot_run:
        return None
    message = (
        f"is in force, and gates of this version cannot run it: {'; '.join(policy.cannot_run[:_MAX_SHOWN])}. Pods of"
        " the agents that it binds are not replaced, and their gates go on, until it is mended"
    )
    return Finding("True", ConditionReason.UNTYPED_RULES, message)


def rules_go_on_unchecked(policy: Acceptance) -> Finding | None:
    if not policy.checks.untyped:
        return None
    message = (
        "was accepted before rules were checked by types, and goes on; at the next edit it would be refused for"
        f" {listed(policy.checks.untyped)}"
    )
    return Finding("True", ConditionReason.UNTYPED_RULES, message)


def rules_do_not_check_for_some(policy: Acceptance) -> Finding | None:
    if not policy.checks.not_applicable:
        return None
    message = f"does not check for {listed(policy.checks.not_applicable)}: there it is not applicable" + (
        ", and decisions are denied" if policy.spec.failure_action == "Enforce" else ""
    )
    return Finding("True", ConditionReason.POLICY_NOT_APPLICABLE, message)


def there_is_something_to_know(policy: Acceptance) -> Finding | None:
    said = remarks(policy.spec, policy.checks)
    return Finding("True", _remark_of(policy), "; ".join(said)) if said else None


def _remark_of(policy: Acceptance) -> ConditionReason:
    """Return the reason of what is hardly meant; a rule that may deny more than was thought has none of its own."""
    if not policy.checks.pairs:
        return ConditionReason.COVERS_NOTHING
    if policy.spec.failure_action == "Enforce" and not policy.spec.rules:
        return ConditionReason.NO_RULES
    return ConditionReason.OK


ACCEPTANCE = (
    something_is_wrong,
    gates_in_place_alone_can_run_it,
    rules_go_on_unchecked,
    rules_do_not_check_for_some,
    there_is_something_to_know,
)


# --- Published -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Publishing:
    """A policy, and what is published of it."""

    digest: str
    """Of the spec as it is now."""
    refused: bool
    """Whether it is not accepted."""
    record: PolicyRecord | None
    """As published."""
    outage: OperatorError | None
    """Why the log cannot be written."""
    too_new: TooNew | None = None
    """Why it is held back."""

    @property
    def stays(self) -> str:
        """What goes on being in force, as the end of a sentence."""
        return f"; revision {self.record.revision} stays in force" if self.record else ""


def the_spec_is_refused(policy: Publishing) -> Finding | None:
    if not policy.refused:
        return None
    return Finding("False", ConditionReason.NOT_PUBLISHED, f"a refused spec is not published{policy.stays}")


def this_spec_is_published(policy: Publishing) -> Finding | None:
    if policy.record is None or policy.record.digest != policy.digest:
        return None
    return Finding("True", ConditionReason.OK, f"revision {policy.record.revision}")


def gates_are_too_old(policy: Publishing) -> Finding | None:
    return None if policy.too_new is None else held_back(policy.too_new, policy.stays)


def the_log_cannot_be_written(policy: Publishing) -> Finding | None:
    if policy.outage is None:
        return None
    return unpublished(policy.outage, policy.stays)


def it_is_about_to_be_published(policy: Publishing) -> Finding:
    return Finding("Unknown", ConditionReason.PENDING, f"about to be published{policy.stays}")


PUBLICATION = (
    the_spec_is_refused,
    this_spec_is_published,
    gates_are_too_old,
    the_log_cannot_be_written,
    it_is_about_to_be_published,
)


def status_of_unread(status: PolicyStatus, why: OperatorError | None, *, now: datetime) -> PolicyStatus:
    """Return the status of an accepted policy of whose log this process knows no more than why; all else in it stays.

    Args:
        status: as it is: an earlier process may have known more.
        why: why nothing is known; None: it is being read.
        now: the time.
    """
    found = find_condition(status.conditions, PUBLISHED)
    if why is None or found is None or found.status == "True" or not is_true(status.conditions, ACCEPTED):
        return status
    stays = f"; revision {status.revision} stays in force" if status.revision else ""
    said = decide(PUBLISHED, (), why, otherwise=unpublished(why, stays))
    generation = status.observed_generation
    parts = set_condition(status.conditions, said, generation=generation, now=now)
    ready = summarize(part for part in parts if part.type in {ACCEPTED, PUBLISHED, ROLLED_OUT})
    return status.model_copy(update={"conditions": set_condition(parts, ready, generation=generation, now=now)})


# --- RolledOut -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RolloutState:
    """Where one revision of one policy stands."""

    agents: int
    """Agents whose binding names the policy."""
    gates: int
    """Their running gates."""
    updated: int
    """Of them, those that have the revision in force."""
    rejected: tuple[GateRejection, ...]
    silent: tuple[str, ...]
    """Of the agents, those without a running gate that should have one."""
    settled: bool = False
    """Whether all gates had the revision before."""

    @property
    def converged(self) -> bool:
        """Whether every bound agent that is not at zero has gates, and every gate the revision."""
        return self.gates > 0 and not self.silent and self.updated == self.gates


def no_agent_is_bound(rollout: RolloutState) -> Finding | None:
    if rollout.agents > 0:
        return None
    return Finding("True", ConditionReason.NO_GATES, "no agent is bound by this policy")


def a_gate_rejects_it(rollout: RolloutState) -> Finding | None:
    if not rollout.rejected:
        return None
    first = rollout.rejected[0]
    return Finding("False", ConditionReason.REJECTED_BY_GATE, f"{first.gate}: {first.message}")


def every_gate_has_it(rollout: RolloutState) -> Finding | None:
    return HOLDS if rollout.converged or (rollout.settled and rollout.updated == rollout.gates) else None


def no_gate_runs_now(rollout: RolloutState) -> Finding | None:
    if rollout.gates or rollout.silent:
        return None
    message = "no agent that this policy binds has pods now: their gates begin with this revision"
    return Finding("True", ConditionReason.NO_GATES, message)


def gates_are_waited_for(rollout: RolloutState) -> Finding:
    waiting = f"; no gate runs for {', '.join(rollout.silent)}" if rollout.silent else ""
    message = f"{rollout.updated} of {rollout.gates} gates have it in force{waiting}"
    return Finding("False", ConditionReason.WAITING_FOR_GATES, message)


ROLLOUT = (no_agent_is_bound, a_gate_rejects_it, every_gate_has_it, no_gate_runs_now, gates_are_waited_for)


# --- RulesFailing ------------------------------------------------------------------------------------------------


def rules_fail(failing: Sequence[FailingRule]) -> Finding | None:
    if not failing:
        return None
    said = [
        f"rule {rule.name!r} failed for {rule.at_least} or more decisions at {rule.gates} gate"
        f"{'s' if rule.gates > 1 else ''} ({rule.message})"
        for rule in failing[:_MAX_SHOWN]
    ]
    more = f" and {len(failing) - _MAX_SHOWN} more" if len(failing) > _MAX_SHOWN else ""
    return Finding("True", ConditionReason.RULE_ERROR, "; ".join(said) + more)


FAILING = (rules_fail,)
