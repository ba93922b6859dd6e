"""Chains of checks. The first check that finds something decides; the order of a chain is the order of importance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from streamwarden_contract.models.base import Condition, ConditionStatus
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.held_back import TooNew
from streamwarden_operator.desired.status import failed, shorten
from streamwarden_operator.errors import OperatorError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: a condition without its name."""

    status: ConditionStatus
    reason: str
    """A ``ConditionReason``, or what an earlier version wrote."""
    message: str = ""


HOLDS = Finding("True", ConditionReason.OK)
_REFUSED = frozenset({ConditionReason.KAFKA_AUTHENTICATION_FAILED, ConditionReason.KAFKA_AUTHORIZATION_FAILED})


def failure(error: OperatorError) -> Finding:
    """Return what an error stands for: Unknown for an outage, else False."""
    found = failed("", error)
    return Finding(found.status, found.reason, found.message)


def held_back(why: TooNew, then: str = "") -> Finding:
    """Return what it stands for that something is held back: Unknown as long as nobody knows which gates run.

    Args:
        why: why it is.
        then: what is said after it.
    """
    if not why.gates:
        return Finding("Unknown", ConditionReason.PENDING, f"{why}{then}")
    return Finding("False", ConditionReason.GATES_TOO_OLD, f"{why}{then}")


def unpublished(why: OperatorError, then: str = "") -> Finding:
    """Return what it stands for that a policy log could not be read or written.

    Args:
        why: why not. What the operator's user is refused has reasons of its own: people must grant it.
        then: what is said after it.
    """
    return Finding("False", why.reason if why.reason in _REFUSED else ConditionReason.NOT_PUBLISHED, f"{why}{then}")


def first_finding(checks: Sequence[Callable[[T], Finding | None]], gathered: T) -> Finding | None:
    """Return what the first check finds that finds anything."""
    return next((found for check in checks if (found := check(gathered)) is not None), None)


def decide(
    kind: str, checks: Sequence[Callable[[T], Finding | None]], gathered: T, *, otherwise: Finding = HOLDS
) -> Condition:
    """Build a condition from the first finding.

    Args:
        kind: name of the condition.
        checks: the chain.
        gathered: what all checks go by.
        otherwise: where none of them finds anything.
    """
    return condition_of(kind, first_finding(checks, gathered) or otherwise)


def condition_of(kind: str, found: Finding) -> Condition:
    """Build the condition of this name that says what was found."""
    return Condition(type=kind, status=found.status, reason=str(found.reason), message=shorten(found.message))
