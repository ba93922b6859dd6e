"""Where a contract stands: what became of its parts, and the condition DriftDetected."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamwarden_contract.models import Condition
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.checks.chain import Finding
from streamwarden_operator.desired.status import failed
from streamwarden_operator.errors import UnavailableError

TOPIC_READY = "TopicReady"
SCHEMA_READY = "SchemaReady"
ACCESS_READY = "AccessReady"
DRIFT_DETECTED = "DriftDetected"


@dataclass(frozen=True, slots=True)
class Part:
    """What became of one part."""

    condition: Condition
    drift: str = ""
    """What was found changed behind our back, empty where nothing was."""
    outage: UnavailableError | None = None
    """Why another reconcile is due soon."""


def something_was_changed(parts: Sequence[Part]) -> Finding | None:
    found = [part.drift for part in parts if part.drift]
    return Finding("True", ConditionReason.DRIFTED, "; ".join(found)) if found else None


def something_could_not_be_compared(parts: Sequence[Part]) -> Finding | None:
    outage = next((part.outage for part in parts if part.outage is not None), None)
    if outage is None:
        return None
    unknown = failed(DRIFT_DETECTED, outage)
    return Finding(unknown.status, unknown.reason, unknown.message)


DRIFT = (something_was_changed, something_could_not_be_compared)
NO_DRIFT = Finding("False", ConditionReason.IN_SYNC)
