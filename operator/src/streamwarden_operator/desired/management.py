"""What a resource's annotations say about being reconciled at all. Pure; the same for the three kinds."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from streamwarden_contract.models.base import Condition, Metadata, Status
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.names import ROTATE_CREDENTIALS_ANNOTATION
from streamwarden_operator.desired.status import condition, set_condition

S = TypeVar("S", bound=Status)

PAUSE = "streamwarden.io/pause-reconciliation"
"""``"true"``: what exists stays as it is until the annotation is gone."""
MANAGED = "streamwarden.io/managed"
"""``"false"``: the resource is not touched, and its deletion undoes nothing."""
ORPHAN = "streamwarden.io/orphan"
"""``"true"``: the resource may go without undoing anything outside."""

SWITCHES = (MANAGED, ORPHAN, PAUSE)
"""All that have one of two values."""
_PREFIX = "streamwarden.io/"

RECONCILIATION_PAUSED = "ReconciliationPaused"
UNMANAGED = "Unmanaged"


class Management(StrEnum):
    """Whether a resource is reconciled."""

    MANAGED = "Managed"
    PAUSED = "Paused"
    UNMANAGED = "Unmanaged"


def management_of(metadata: Metadata) -> Management:
    """Judge the annotations. Any other value than the one that is named says nothing."""
    if metadata.annotations.get(MANAGED) == "false":
        return Management.UNMANAGED
    if metadata.annotations.get(PAUSE) == "true":
        return Management.PAUSED
    return Management.MANAGED


def unheard(annotations: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the annotations of ours that say nothing to anybody, by their name or their value, and what is wrong.

    ``config/admission/annotations.yaml`` says the same to who sets one.
    """
    for name, value in sorted(annotations.items()):
        if not name.startswith(_PREFIX) or name == ROTATE_CREDENTIALS_ANNOTATION:
            continue
        if name not in SWITCHES:
            known = ", ".join((*SWITCHES, ROTATE_CREDENTIALS_ANNOTATION))
            yield name, f"nobody hears this annotation: known are {known}"
        elif value not in {"true", "false"}:
            yield name, f'nobody hears the value {value!r}: write "true" or "false"'


def is_held(metadata: Metadata) -> bool:
    """Tell whether nothing may be changed for a resource, but for its deletion."""
    return metadata.deletion_timestamp is None and management_of(metadata) is not Management.MANAGED


def lets_go(metadata: Metadata) -> bool:
    """Tell whether a deletion leaves everything outside as it is."""
    return metadata.annotations.get(ORPHAN) == "true" or management_of(metadata) is Management.UNMANAGED


def held_status(metadata: Metadata, status: S, *, now: datetime, plan: str = "") -> S:
    """Return the status of a resource that is held: all as it was, and the condition that says why.

    Args:
        metadata: the resource's.
        status: as it was.
        now: the time.
        plan: what will be done once it is held no more, as far as that is known.
    """
    return status.model_copy(update={"conditions": held_conditions(metadata, status.conditions, now=now, plan=plan)})


def held_conditions(
    metadata: Metadata, previous: Sequence[Condition], *, now: datetime, plan: str = ""
) -> tuple[Condition, ...]:
    """Return the conditions of a resource that is held: all as they were, and the one that says why.

    They are gone again with the annotation: whoever reconciles builds the conditions anew.
    """
    if management_of(metadata) is Management.UNMANAGED:
        message = f"{MANAGED} is 'false': nothing of this resource is looked at, and its deletion undoes nothing"
        found = condition(UNMANAGED, "True", ConditionReason.UNMANAGED, message)
    else:
        then = f". Then: {plan}" if plan else ""
        message = f"{PAUSE} is 'true': everything stays as it is until the annotation is gone{then}"
        found = condition(RECONCILIATION_PAUSED, "True", ConditionReason.PAUSED, message)
    kept = tuple(part for part in previous if part.type not in {RECONCILIATION_PAUSED, UNMANAGED} - {found.type})
    return set_condition(kept, found, generation=metadata.generation, now=now)
