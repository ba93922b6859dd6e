"""What the status says of an agent's scaling. Pure: the same standing twice is the same value, and is not written."""

from streamwarden_contract.models import Condition
from streamwarden_contract.models.scaling import Lag, LagState, Scaling
from streamwarden_contract.reasons import ConditionReason, ScalingReason

from streamwarden_operator.desired.status import condition, true
from streamwarden_operator.errors import OperatorError
from streamwarden_operator.plans.scaling import Decision, Failed, History, Reading

SCALING_ACTIVE = "ScalingActive"

FAILURE_THRESHOLD = 3
"""Readings in a row that must fail before the lag is called unknown, where no ``fallback`` says another number."""


def is_lost(history: History, scaling: Scaling) -> bool:
    """Tell whether the lag is called unknown. A reading or two that fail change nothing: brokers are restarted."""
    threshold = FAILURE_THRESHOLD if scaling.fallback is None else scaling.fallback.failure_threshold
    return history.failures >= threshold


def lag_state(shown: Lag | None, history: History, scaling: Scaling) -> LagState:
    """Say how the lag is known.

    Args:
        shown: what the status says now; another operator may have written it.
        history: as the last decision left it.
        scaling: the agent's; its ``fallback`` says how many readings must fail.
    """
    if is_lost(history, scaling):
        ever_known = history.known is not None or (shown is not None and shown.state != "Unknown")
        return "Stale" if ever_known else "Unknown"
    if history.known is not None:
        return "Known"
    return "Unknown" if shown is None else shown.state


def shown_lag(shown: Lag | None, history: History, scaling: Scaling, *, scaled: bool) -> Lag:
    """Return the lag as the status shows it: another one only when its state is, or the number of pods has changed."""
    state = lag_state(shown, history, scaling)
    if shown is not None and shown.state == state and not scaled:
        return shown
    if history.known is not None:
        return Lag(state=state, records=history.known.records)
    return Lag(state=state, records=0 if shown is None else shown.records)


def scaling_condition(
    state: LagState, decision: Decision, reading: Reading, scaling: Scaling, refused: OperatorError | None = None
) -> Condition:
    """Say whether the number of pods follows the lag.

    Args:
        state: how the lag is known.
        decision: the last one.
        reading: what it was made from; where it failed, its message is shown.
        scaling: the agent's.
        refused: why the number of pods cannot be set.
    """
    if refused is not None:
        message = f"the number of pods cannot be set to {decision.replicas}: {refused}"
        return condition(SCALING_ACTIVE, "False", refused.reason, message)
    if state != "Known":
        reason = ConditionReason.LAG_UNKNOWN if scaling.fallback is None else ConditionReason.FALLBACK
        return condition(SCALING_ACTIVE, "Unknown", reason, reading.message if isinstance(reading, Failed) else "")
    if decision.reason is ScalingReason.CRASHING:
        message = "the lag wants more pods, but those there are keep ending: more of them would end too"
        return condition(SCALING_ACTIVE, "False", ConditionReason.CRASHING, message)
    return true(SCALING_ACTIVE)
