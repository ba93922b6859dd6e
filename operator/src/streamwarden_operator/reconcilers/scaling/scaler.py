"""The scaler: reads the lag of all agents that are due in one batch, decides for each, and acts on what changes.

It runs beside the work queue, so that an outage of what a reconcile needs (ACLs, registry) does not stop it; what it
writes is the number of pods and nothing else. The status is the reconciler's: it is woken when there is news.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.models.scaling import Scaling, ScalingChange
from streamwarden_contract.reasons import ConditionReason, ScalingReason

from streamwarden_operator.clock import repeat, utc_now
from streamwarden_operator.desired.management import is_held
from streamwarden_operator.desired.status import format_time, shorten
from streamwarden_operator.errors import OperatorError
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.lag_status import is_lost, scaling_condition, shown_lag
from streamwarden_operator.plans.scaling import Decision, Failed, History, Known, Pods, Reading, decide, largest
from streamwarden_operator.ports import Cluster, GroupLag, GroupReads, Lags
from streamwarden_operator.reconcilers.scaling.scaling_store import ScaledAgent, ScalingStore

TICK_S = 0.25
"""How often it is asked who is due: a quarter of the shortest ``pollingInterval``. To ask costs a millisecond."""
_RETRY_S = 5.0
"""A number of pods that could not be set is tried again after so long, or when the lag is read next."""
_REFUSALS = 2
"""In a row until it is told that the number of pods cannot be set."""
_SIDE_BY_SIDE = 16
"""Workloads scaled at the same time."""
_WHERE = ("inputs", "decisions")
"""Of whom the readings of an agent's two groups are, for people."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Due:
    """An agent to decide for now."""

    key: Key
    entry: ScaledAgent
    scaling: Scaling
    reads: tuple[GroupReads, ...]


class Scaler:
    """Decides and acts; ``tick`` is one round, ``run`` repeats it."""

    def __init__(
        self,
        cluster: Cluster,
        lags: Lags,
        store: ScalingStore,
        *,
        wake: Callable[[Key], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Make a scaler.

        Args:
            cluster: the Kubernetes side.
            lags: reads lag.
            store: the agents that have a workload.
            wake: called with the key of an agent whose status has something new to say.
            clock: the time for the status.
        """
        self._cluster = cluster
        self._lags = lags
        self._store = store
        self._wake = wake
        self._clock = clock
        self._limit = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def run(self) -> None:
        """Repeat for ever. A defect costs a round and not the scaler."""
        clock = asyncio.get_running_loop().time
        await repeat(self.tick, clock=clock, every_s=TICK_S, failure="scaling broke")

    async def tick(self, now_s: float) -> None:
        """Scale every agent that is due, once.

        Args:
            now_s: seconds on a clock that never goes back.
        """
        due, fixed = self._due(now_s)
        readings = await self._lags.read([reads for each in due for reads in each.reads]) if due else {}
        told: list[_Due] = []
        for each in due:
            if all(reads in readings for reads in each.reads):
                told.append(each)
            else:
                each.entry.due_s = now_s  # its turn comes with one of the next rounds; nothing is decided before
        await asyncio.gather(
            *(self._follow(each, _reading(each, readings), now_s) for each in told),
            *(self._fix(key, entry, now_s) for key, entry in fixed),
        )

    def _due(self, now_s: float) -> tuple[list[_Due], list[tuple[Key, ScaledAgent]]]:
        """Return the agents whose lag is to be read now, and those without ``scaling`` that have not one pod."""
        due: list[_Due] = []
        fixed: list[tuple[Key, ScaledAgent]] = []
        for (namespace, name), entry in self._store.agents.items():
            agent = self._cluster.get(AgentDeployment, namespace, name)
            if agent is None:
                continue
            scaling = agent.spec.scaling
            if scaling is None and entry.scaling is None and entry.state.desired == 1:
                continue  # first, as of a thousand agents most are so, four times a second
            if agent.metadata.uid != entry.uid or agent.metadata.deletion_timestamp is not None:
                continue
            if is_held(agent.metadata):
                continue
            key = Key("AgentDeployment", namespace, name)
            if scaling is None:
                if entry.scaling is not None or (entry.state.desired != 1 and entry.due_s <= now_s):
                    fixed.append((key, entry))
            elif entry.due_s <= now_s or entry.scaling != scaling:  # an edit counts at once
                entry.due_s, entry.scaling = now_s + scaling.polling_interval, scaling
                exact = entry.state.desired == 0  # nobody is woken for a marker
                due.append(_Due(key, entry, scaling, tuple(replace(reads, exact=exact) for reads in entry.reads)))
        return due, fixed

    async def _follow(self, due: _Due, reading: Reading, now_s: float) -> None:
        entry = due.entry
        pods = Pods(entry.state.desired, ready=entry.state.ready, crashing=bool(entry.state.crashing))
        decision, entry.history = decide(due.scaling, reading, pods, entry.history, now_s=now_s)
        scaled = await self._scale(due.key, entry, decision)
        if entry.state.desired != decision.replicas:
            entry.due_s = min(entry.due_s, now_s + _RETRY_S)
        news = self._note(due, reading, decision, scaled=scaled)
        await self._tell(due, reading)
        if scaled or news:
            self._wake(due.key)

    async def _fix(self, key: Key, entry: ScaledAgent, now_s: float) -> None:
        """Give an agent without ``scaling`` its one pod."""
        entry.scaling, entry.history, entry.due_s = None, History(), now_s + _RETRY_S
        entry.lag, entry.active, entry.unknown_reported = None, None, False
        message = f"an agent without scaling has one pod; there were {entry.state.desired}"
        await self._scale(key, entry, Decision(1, ScalingReason.BOUNDS_CHANGED, message))
        self._wake(key)

    async def _scale(self, key: Key, entry: ScaledAgent, decision: Decision) -> bool:
        """Carry a decision out; False where nothing was changed, and the next reading tries again."""
        before = entry.state.desired
        if decision.replicas == before:
            entry.refusals, entry.refused = 0, None
            return False
        try:
            async with self._limit:
                await self._cluster.scale_workload(key.namespace, key.name, decision.replicas)
        except OperatorError as error:
            _log.warning("not scaled", key=str(key), replicas=decision.replicas, error=str(error))
            await self._refuse(key, entry, decision, error)
            return False
        entry.refusals, entry.refused = 0, None
        _log.info("scaled", key=str(key), before=before, replicas=decision.replicas, reason=decision.reason.value)
        entry.state = replace(entry.state, desired=decision.replicas)
        entry.change = ScalingChange(
            replicas=decision.replicas,
            reason=decision.reason.value,
            message=shorten(decision.message),
            time=format_time(self._clock()),
        )
        message = f"{before} to {decision.replicas} pods: {decision.message}"
        warning = decision.reason is ScalingReason.FALLBACK
        await self._record(key, decision.reason, message, warning=warning)
        return True

    async def _refuse(self, key: Key, entry: ScaledAgent, decision: Decision, error: OperatorError) -> None:
        """Tell, once, that the number of pods cannot be set: a missing right, say. One failure alone is no news."""
        entry.refusals += 1
        if entry.refusals < _REFUSALS or (entry.refused is not None and entry.refused.reason == error.reason):
            return
        entry.refused = error
        message = f"the number of pods cannot be set to {decision.replicas}: {error}"
        await self._record(key, error.reason, message, warning=True)

    def _note(self, due: _Due, reading: Reading, decision: Decision, *, scaled: bool) -> bool:
        """Note what the status says from now on; False where it says it already."""
        entry = due.entry
        before = (entry.lag, entry.active)
        entry.lag = shown_lag(entry.lag, entry.history, due.scaling, scaled=scaled)
        active = scaling_condition(entry.lag.state, decision, reading, due.scaling, entry.refused)
        if entry.active is None or (entry.active.status, entry.active.reason) != (active.status, active.reason):
            entry.active = active  # else its message stays: errors word the same outage in many ways
        return before != (entry.lag, entry.active)

    async def _tell(self, due: _Due, reading: Reading) -> None:
        """Record an Event when the lag becomes unknown, and when it is known again."""
        entry = due.entry
        if isinstance(reading, Failed) and is_lost(entry.history, due.scaling) and not entry.unknown_reported:
            entry.unknown_reported = True
            await self._record(due.key, ScalingReason.LAG_UNKNOWN, reading.message, warning=True)
        elif isinstance(reading, Known) and entry.unknown_reported:
            entry.unknown_reported = False
            message = f"the lag can be read again: {reading.records} records ({reading.where})"
            await self._record(due.key, ScalingReason.LAG_KNOWN, message, warning=False)

    async def _record(self, key: Key, reason: ScalingReason | ConditionReason, message: str, *, warning: bool) -> None:
        async with self._limit:
            await self._cluster.record_event(key, reason=reason.value, message=message, warning=warning)


def _reading(due: _Due, found: Mapping[GroupReads, GroupLag | OperatorError]) -> Reading:
    readings: list[Reading] = []
    for reads, where in zip(due.reads, _WHERE, strict=True):
        lag = found[reads]
        if isinstance(lag, OperatorError):
            readings.append(Failed(f"the lag ({where}) could not be read: {lag}"))
        else:
            readings.append(Known(lag.records, lag.partitions, where))
    return largest(readings)
