"""What a gate says of itself: what is in force, and what keeps it from judging. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from streamwarden_contract.reasons import ConditionReason

from streamwarden_gate.acks import Report
from streamwarden_gate.commits import Failing
from streamwarden_gate.open_transactions import TOLD_AFTER_S, Waiting
from streamwarden_gate.policy_topic import Refusal
from streamwarden_gate.reasons import RefusalReason

if TYPE_CHECKING:
    from streamwarden_gate.active import ActiveSet

_WAITING = frozenset({RefusalReason.LOG_MISSING, RefusalReason.BINDING_MISSING, RefusalReason.KAFKA_UNAVAILABLE})
"""Nothing was refused: what is needed is not there yet."""


def report_of(
    active: "ActiveSet | None",
    problem: Refusal | None,
    halted: Iterable[Refusal],
    waiting: Sequence[Waiting] = (),
    skipped: str = "",
) -> Report:
    """Build the report of a gate that follows its policies.

    Args:
        active: the set in force; None: nothing is judged.
        problem: why a newer set is not in force.
        halted: why partitions are not judged.
        waiting: which partitions wait for the end of a transaction.
        skipped: which records were passed over last, in words.
    """
    problem = next(iter(halted), None) if problem is None else problem
    if problem is None:
        report = Report("Starting") if active is None else _in_force(active, waiting, skipped)
    elif active is None and problem.reason in _WAITING:
        report = Report("Starting", problem.reason, problem.message)
    else:
        report = Report("Rejected", problem.reason, problem.message)
    if active is None:
        return report
    return replace(
        report,
        namespace_epoch=active.namespace_epoch,
        guardrail_epoch=active.guardrail_epoch,
        policies=active.refs,
        epochs=active.epochs,
    )


def _in_force(active: "ActiveSet", waiting: Sequence[Waiting], skipped: str) -> Report:
    """Say what does not compile, as what it is for is denied; else what waits; else what was skipped."""
    if not active.faults and waiting:
        return Report("InForce", ConditionReason.DECISIONS_IN_OPEN_TRANSACTION, _words_of(active, waiting))
    if not active.faults:
        return Report("InForce", ConditionReason.RECORDS_SKIPPED if skipped else "", skipped)
    more = f" (and {len(active.faults) - 1} more)" if len(active.faults) > 1 else ""
    first = active.faults[0]
    return Report("InForce", first.reason, f"denied, as something does not compile: {first.message}{more}")


def _words_of(active: "ActiveSet", waiting: Sequence[Waiting]) -> str:
    """Say what waits, in words that stay the same while it does."""
    (number, offset), *others = waiting
    more = f", and so in {len(others)} more" if others else ""
    return (
        f"decision partition {number}: a transaction has been open for more than {TOLD_AFTER_S:g} s, and nothing from "
        f"offset {offset} on is judged before it ends{more}. What it is: kafka-transactions.sh describe-producers "
        f"--topic {active.binding.decision_topic.name} --partition {number}"
    )


def report_stale(max_staleness_s: float) -> Report:
    """Build the report of a gate whose policies may be outdated."""
    message = (
        f"for more than {max_staleness_s:g} s nothing has proven that the policies are up to date: the policy topics "
        "cannot be read to their end"
    )
    return Report("Stale", RefusalReason.STALE, message)


def report_failing(failing: Failing) -> Report:
    """Build the report of a gate that can commit nothing: it claims no epoch, as nothing is done under any."""
    since = failing.since.isoformat(timespec="seconds").replace("+00:00", "Z")
    message = f"{failing.what} since {since}, though it is tried again and again: {failing.why}"
    return Report("Stale", RefusalReason.COMMITS_FAILING, message)
