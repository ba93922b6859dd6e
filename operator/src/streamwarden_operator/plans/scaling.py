"""How many pods an agent should have: KEDA's arithmetic over one reading of the lag. No I/O, no clock.

The caller carries ``History`` from one decision to the next. An unknown lag is never 0: while it is not known, the pods
that there are count as wanted, so that an outage neither scales down nor lets time pass towards it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamwarden_contract.models.scaling import Scaling
from streamwarden_contract.reasons import ScalingReason

CRASH_MEMORY_S = 30.0
"""A pod that has just come back may be about to end again: for so long its agent still counts as crashing."""


@dataclass(frozen=True, slots=True)
class Known:
    """A reading that succeeded."""

    records: int
    """Not processed yet; never negative."""
    partitions: int
    """Of the largest topic: a pod beyond this number would have nothing to read."""
    where: str = "inputs"
    """Whose lag it is, for people."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A reading that did not succeed."""

    message: str


Reading = Known | Failed


@dataclass(frozen=True, slots=True)
class Pods:
    """An agent's pods as they are."""

    wanted: int
    ready: int = 0
    crashing: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """How many pods a reading wanted."""

    at_s: float
    replicas: int


@dataclass(frozen=True, slots=True)
class History:
    """What one agent's readings left behind; empty where nothing has been read yet."""

    wishes: tuple[Wish, ...] = ()
    """Oldest first, each larger than all that follow: no other can be the largest of a window that ends now."""
    failures: int = 0
    """Readings in a row that failed."""
    known: Known | None = None
    """The last reading that succeeded."""
    crashed_at_s: float | None = None
    """When the pods were last seen to be crashing."""


@dataclass(frozen=True, slots=True)
class Decision:
    """How many pods there should be from now on, and why."""

    replicas: int
    reason: ScalingReason
    message: str


@dataclass(frozen=True, slots=True)
class _Case:
    """One decision's input, with what follows from it at once."""

    scaling: Scaling
    reading: Reading
    pods: Pods
    history: History
    now_s: float
    lower: int
    upper: int
    current: int
    """The pods that are wanted, within the bounds."""


def initial_replicas(scaling: Scaling | None) -> int:
    """Return how many pods a new agent begins with: the fewest allowed. One that begins with 0 is woken by its lag."""
    return 1 if scaling is None else scaling.min_replica_count


def largest(readings: Sequence[Reading]) -> Reading:
    """Put the readings of an agent's groups together: the largest lag counts, and one that failed makes all unknown."""
    failed = [reading.message for reading in readings if isinstance(reading, Failed)]
    if failed:
        return Failed("; ".join(dict.fromkeys(failed)))
    known = [reading for reading in readings if isinstance(reading, Known)]
    most = max(known, key=lambda reading: reading.records)
    return replace(most, partitions=max(reading.partitions for reading in known))


def decide(
    scaling: Scaling, reading: Reading, pods: Pods, history: History, *, now_s: float
) -> tuple[Decision, History]:
    """Decide how many pods there should be, from one reading.

    Args:
        scaling: the agent's bounds and thresholds. Where they cross (``minReplicaCount`` above the partitions), the
            upper bound wins.
        reading: the lag, just read.
        pods: the pods as they are. A number outside of the bounds is brought back at once, whatever the lag.
        history: what the decision before returned; ``History()`` for an agent that is seen for the first time.
        now_s: seconds on a clock that never goes back.

    Returns:
        The decision, and the history for the next one. There are more pods at once, and fewer only when no reading
        since ``cooldownPeriod`` wanted more.
    """
    history = _note(history, reading, pods, now_s)
    upper = scaling.max_replica_count
    if history.known is not None:
        upper = min(upper, history.known.partitions)
    lower = min(scaling.min_replica_count, upper)
    current = min(max(pods.wanted, lower), upper)
    case = _Case(scaling, reading, pods, history, now_s, lower, upper, current)
    wish = _wish(case)
    before = history.wishes or (Wish(now_s, current),)  # what there is when we begin was wanted until now
    window = (*before, Wish(now_s, wish))
    history = replace(history, wishes=_trim(window, now_s, scaling.cooldown_period))
    highest = max((each.replicas for each in history.wishes), default=wish)
    return _conclude(case, wish, max(highest, wish)), history


def _note(history: History, reading: Reading, pods: Pods, now_s: float) -> History:
    crashed_at_s = now_s if pods.crashing else history.crashed_at_s
    if crashed_at_s is not None and now_s - crashed_at_s >= CRASH_MEMORY_S:
        crashed_at_s = None
    if isinstance(reading, Known):
        return replace(history, failures=0, known=reading, crashed_at_s=crashed_at_s)
    return replace(history, failures=history.failures + 1, crashed_at_s=crashed_at_s)


def _wish(case: _Case) -> int:
    """Return how many pods this reading alone wants, within the bounds."""
    scaling = case.scaling
    if isinstance(case.reading, Known):
        wanted = _wanted(case, case.reading)
    elif scaling.fallback is not None and _falls_back(case):
        wanted = scaling.fallback.replicas
    else:
        wanted = case.current
    return min(max(wanted, case.lower), case.upper)


def _wanted(case: _Case, known: Known) -> int:
    """Return how many pods a lag wants, were there no upper bound. Whole numbers: 10^17 records count too."""
    if known.records <= case.scaling.activation_lag_threshold:
        return case.lower
    return max(1, case.lower, -(-known.records // case.scaling.lag_threshold))


def _falls_back(case: _Case) -> bool:
    fallback = case.scaling.fallback
    return fallback is not None and case.history.failures >= fallback.failure_threshold


def _trim(wishes: Sequence[Wish], now_s: float, cooldown_s: int) -> tuple[Wish, ...]:
    """Drop the wishes that are older than the window, and those that a later one is as large as."""
    kept: list[Wish] = []
    for wish in reversed(wishes):
        if now_s - wish.at_s < cooldown_s and (not kept or wish.replicas > kept[-1].replicas):
            kept.append(wish)
    return tuple(reversed(kept))


def _conclude(case: _Case, wish: int, highest: int) -> Decision:
    if wish > case.current:
        if case.history.crashed_at_s is not None:
            return Decision(case.current, ScalingReason.CRASHING, _crashing(case, wish))
        return Decision(wish, *_more(case))
    target = min(case.current, highest)
    if target < case.current:
        return Decision(target, *_fewer(case, target))
    if case.current != case.pods.wanted:
        message = f"{case.pods.wanted} pods are outside of {case.lower} to {case.upper}"
        return Decision(case.current, ScalingReason.BOUNDS_CHANGED, message)
    return Decision(case.current, *_same(case, wish))


def _more(case: _Case) -> tuple[ScalingReason, str]:
    reading = case.reading
    if isinstance(reading, Failed):
        return ScalingReason.FALLBACK, _fallback(case, reading)
    limit = _limit(case, reading)
    if case.pods.wanted == 0:
        return ScalingReason.ACTIVATED, f"{_figures(case, reading)}; there were none{limit}"
    message = f"{_figures(case, reading)}; there were {case.pods.wanted}{limit}"
    return (ScalingReason.AT_MAXIMUM if limit else ScalingReason.LAG_ABOVE_THRESHOLD), message


def _fewer(case: _Case, target: int) -> tuple[ScalingReason, str]:
    scaling, reading = case.scaling, case.reading
    if isinstance(reading, Failed):
        return ScalingReason.FALLBACK, _fallback(case, reading)
    if target == 0:
        threshold, cooldown_s = scaling.activation_lag_threshold, scaling.cooldown_period
        message = f"the lag has not been above the activationLagThreshold {threshold} for {cooldown_s} s"
        return ScalingReason.SCALED_TO_ZERO, message
    message = (
        f"{_figures(case, reading)}; no more than {target} of {case.pods.wanted} were wanted for "
        f"{scaling.cooldown_period} s"
    )
    return ScalingReason.LAG_BELOW_THRESHOLD, message


def _same(case: _Case, wish: int) -> tuple[ScalingReason, str]:
    reading = case.reading
    if isinstance(reading, Failed):
        if _falls_back(case):
            return ScalingReason.FALLBACK, _fallback(case, reading)
        return ScalingReason.LAG_UNKNOWN, f"{reading.message}; the number of pods stays as it is"
    if wish < case.current:
        message = f"{_figures(case, reading)}; {case.current} stay until fewer were enough for the cooldownPeriod"
        return ScalingReason.COOLING_DOWN, message
    if case.current == 0:
        return ScalingReason.SCALED_TO_ZERO, _figures(case, reading)
    limit = _limit(case, reading)
    return (ScalingReason.AT_MAXIMUM if limit else ScalingReason.STEADY), f"{_figures(case, reading)}{limit}"


def _figures(case: _Case, known: Known) -> str:
    wanted = _wanted(case, known)
    return (
        f"{known.records} records of lag ({known.where}) at a lagThreshold of {case.scaling.lag_threshold} want "
        f"{wanted} {'pod' if wanted == 1 else 'pods'}"
    )


def _limit(case: _Case, known: Known) -> str:
    """Say what keeps the pods below what the lag wants; empty where nothing does."""
    if _wanted(case, known) <= case.upper:
        return ""
    if case.upper < case.scaling.max_replica_count:
        return f"; there is nothing to read for more than {case.upper}, the number of partitions"
    return f"; maxReplicaCount is {case.upper}"


def _fallback(case: _Case, failed: Failed) -> str:
    return f"{failed.message}; {case.history.failures} readings in a row have failed, so fallback.replicas holds"


def _crashing(case: _Case, wish: int) -> str:
    return (
        f"{wish} pods are wanted, but those there are keep ending ({case.pods.ready} of {case.pods.wanted} are ready): "
        "more of them would end too"
    )
