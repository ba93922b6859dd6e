"""How far the deletion of an agent has come: what its condition Ready says meanwhile."""

from dataclasses import dataclass
from datetime import timedelta

from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.checks.chain import Finding
from streamwarden_operator.desired.management import ORPHAN
from streamwarden_operator.errors import OperatorError

LONGEST_ENDING = timedelta(seconds=90)
"""After a pod's grace period; after so long something keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDeletion:
    """An agent that is being deleted."""

    waited: timedelta
    """Since somebody deleted it."""
    grace: timedelta
    """What its pods have to end."""
    error: OperatorError | None = None
    """Why its pods or its access cannot be taken away now."""
    pods_gone: bool = False
    bound: bool = True
    """Whether its binding is published, or may be: of a log that was never read nobody knows."""
    log_read: bool = True
    """Whether the policy log was ever read."""
    outage: OperatorError | None = None
    """Why the policy log cannot be written, or read."""

    @property
    def pods_due(self) -> timedelta:
        """How long its pods may still take."""
        return self.grace + LONGEST_ENDING - self.waited


def something_cannot_be_undone(deletion: AgentDeletion) -> Finding | None:
    return None if deletion.error is None else _blocked(str(deletion.error))


def pods_do_not_end(deletion: AgentDeletion) -> Finding | None:
    """Find pods that something keeps: on a lost node they never end by themselves, and somebody must hear of it."""
    if deletion.pods_gone or deletion.pods_due >= timedelta():
        return None
    longest_s = (deletion.grace + LONGEST_ENDING).total_seconds()
    return _blocked(f"pods have not ended after {longest_s:.0f} s; is their node lost?")


def pods_are_ending(deletion: AgentDeletion) -> Finding | None:
    return None if deletion.pods_gone else Finding("False", ConditionReason.PENDING, "pods are ending")


def the_binding_cannot_be_withdrawn(deletion: AgentDeletion) -> Finding | None:
    return _blocked(str(deletion.outage)) if deletion.bound and deletion.outage is not None else None


def the_log_is_not_read(deletion: AgentDeletion) -> Finding | None:
    """Find a deletion that waits for a log which nobody has read: whether a binding is to be withdrawn is not known."""
    if not deletion.bound or deletion.log_read:
        return None
    if deletion.pods_due < timedelta():
        return _blocked("the namespace's policy log has not been read yet")
    return Finding("False", ConditionReason.PENDING, "the namespace's policy log is being read")


DELETION = (
    something_cannot_be_undone,
    pods_do_not_end,
    pods_are_ending,
    the_binding_cannot_be_withdrawn,
    the_log_is_not_read,
)


def finalizer_stays(error: OperatorError) -> Finding:
    """Say that all is done but the last: no annotation lets go of what may not be patched."""
    return Finding("False", ConditionReason.DELETION_BLOCKED, f"the finalizer cannot be taken away: {error}")


def _blocked(cause: str) -> Finding:
    message = f"{cause}. The annotation {ORPHAN}: 'true' lets go; what is left in Kafka is swept when it answers"
    return Finding("False", ConditionReason.DELETION_BLOCKED, message)
