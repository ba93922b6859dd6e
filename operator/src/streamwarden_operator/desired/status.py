"""Conditions: how what was found becomes a status. The same result twice is the same value: nothing is written."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from streamwarden_contract.models.base import Condition, ConditionStatus
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.errors import OperatorError, UnavailableError

_REMARKS = frozenset({ConditionReason.COVERS_NOTHING, ConditionReason.NO_RULES, ConditionReason.NOT_COVERED})

MAX_MESSAGE = 1024
"""Characters of a condition's message: enough for a cause, too little for a whole schema."""


def condition(
    kind: str, status: ConditionStatus, reason: ConditionReason = ConditionReason.OK, message: str = ""
) -> Condition:
    """Build a condition without generation and time; ``build_conditions`` fills them in."""
    return Condition(type=kind, status=status, reason=reason.value, message=shorten(message))


def true(kind: str, message: str = "") -> Condition:
    """Build a condition that holds."""
    return condition(kind, "True", ConditionReason.OK, message)


def failed(kind: str, error: OperatorError) -> Condition:
    """Build the condition that an error stands for: Unknown for an outage (nothing could be observed), else False."""
    status: ConditionStatus = "Unknown" if isinstance(error, UnavailableError) else "False"
    return condition(kind, status, error.reason, str(error))


def pending(kind: str, message: str) -> Condition:
    """Build a condition that waits for another one."""
    return condition(kind, "Unknown", ConditionReason.PENDING, message)


def summarize(conditions: Iterable[Condition], kind: str = "Ready") -> Condition:
    """Build the summary: the first condition that is False, else the first that is Unknown, else True.

    Its message says what is hardly meant though it holds.
    """
    found = tuple(conditions)
    for status in ("False", "Unknown"):
        for part in found:
            if part.status == status:
                return part.model_copy(update={"type": kind, "message": shorten(f"{part.type}: {part.message}")})
    return true(kind, "; ".join(f"{part.type}: {part.message}" for part in found if part.reason in _REMARKS))


def build_conditions(
    previous: Sequence[Condition], new: Iterable[Condition], *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return ``new`` with generation and times: a transition time changes only where the status does."""
    before = {part.type: part for part in previous}
    return tuple(_stamp(part, before.get(part.type), generation, now) for part in new)


def set_condition(
    previous: Sequence[Condition], new: Condition, *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the conditions with one of them replaced, or added at the end."""
    stamped = _stamp(new, find_condition(previous, new.type), generation, now)
    if find_condition(previous, new.type) is None:
        return (*previous, stamped)
    return tuple(stamped if part.type == new.type else part for part in previous)


def find_condition(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """Return the condition of this type, None where there is none."""
    return next((part for part in conditions if part.type == kind), None)


def is_true(conditions: Iterable[Condition], kind: str) -> bool:
    """Tell whether the condition is there and holds."""
    found = find_condition(conditions, kind)
    return found is not None and found.status == "True"


def shorten(message: str, limit: int = MAX_MESSAGE) -> str:
    """Cut a message, saying that it was cut."""
    return message if len(message) <= limit else f"{message[: limit - 2]} …"


def format_time(moment: datetime) -> str:
    """Write a time as Kubernetes does: RFC 3339, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _stamp(part: Condition, before: Condition | None, generation: int, now: datetime) -> Condition:
    unchanged = before is not None and before.status == part.status and before.last_transition_time
    time = before.last_transition_time if before is not None and unchanged else format_time(now)
    return part.model_copy(update={"observed_generation": generation, "last_transition_time": time})
