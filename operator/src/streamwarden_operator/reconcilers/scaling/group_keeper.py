"""Keeps the groups of agents at zero: Kafka deletes the offsets of a group that has had no members for seven days.

Without its offsets an agent would read its inputs from the beginning, and a gate could not go on at all (OffsetsLost).
An agent that exists and has no pods is at zero, whether this process scales it or not: it may be paused, or refused, or
this version cannot read it.
"""

import time
import zlib
from collections.abc import Callable, Mapping

import structlog
from streamwarden_contract.names import AgentNames

from streamwarden_operator.clock import repeat
from streamwarden_operator.errors import OperatorError
from streamwarden_operator.ports import Cluster, GroupReads, Offsets
from streamwarden_operator.reconcilers.policies.log_store import LogStore
from streamwarden_operator.reconcilers.scaling.scaling_store import ScalingStore, group_reads

Reads = tuple[GroupReads, ...]

EVERY_S = 86_400.0
"""Often enough for ``offsets.retention.minutes`` of two days; the default is seven."""
RETRY_S = 3_600.0
"""After a failure: where offsets are kept for two days, nobody can lose one to a broker that is started again."""
_TICK_S = 60.0

_log = structlog.get_logger(__name__)


class GroupKeeper:
    """Begins the retention of each agent's two groups anew, once a day at a time of the agent's own."""

    def __init__(
        self, offsets: Offsets, store: ScalingStore, bound_at_zero: Callable[[], Mapping[tuple[str, str], Reads]] = dict
    ) -> None:
        """Make a keeper.

        Args:
            offsets: Kafka's groups.
            store: the agents that are scaled.
            bound_at_zero: returns by namespace and agent what the groups read of agents at zero that are not in it.
        """
        self._offsets = offsets
        self._store = store
        self._bound_at_zero = bound_at_zero
        self._due_s: dict[tuple[str, str], float] = {}

    async def run(self) -> None:
        """Repeat for ever. A defect costs a round."""
        await repeat(self.tick, clock=time.time, every_s=_TICK_S, failure="groups not kept")

    async def tick(self, now_s: float) -> None:
        """Keep the groups that are due.

        Args:
            now_s: seconds since the epoch, so that an operator that is restarted every day begins no wait anew.
        """
        asleep: dict[tuple[str, str], Reads] = {
            where: entry.reads for where, entry in self._store.agents.items() if entry.state.desired == 0
        }
        asleep.update(self._bound_at_zero())
        self._due_s = {where: self._due_s.get(where) or _next(where, now_s) for where in asleep}
        for where in sorted(where for where, due_s in self._due_s.items() if due_s <= now_s):
            kept = await self._keep(asleep[where])
            self._due_s[where] = _next(where, now_s) if kept else min(_next(where, now_s), now_s + RETRY_S)

    async def _keep(self, groups: Reads) -> bool:
        """Keep an agent's groups; False where one was not, and is to be tried before another day is over."""
        kept = True
        for reads in groups:
            try:
                await self._offsets.keep(reads.group, reads.topics)
            except OperatorError as error:
                kept = False
                _log.warning("group not kept", group=reads.group, error=str(error))
        return kept


def bound_at_zero(cluster: Cluster, logs: LogStore, store: ScalingStore) -> dict[tuple[str, str], Reads]:
    """Return by namespace and agent what the groups read of those that are bound, have no pods, and that nobody scales.

    Args:
        cluster: which pods there are; where that is not known, there may be some.
        logs: the bindings, which an agent keeps as long as it exists.
        store: the agents that are scaled.
    """
    bindings = [binding for log in logs.published.values() for binding in log.state.bindings.values()]
    return {
        (binding.namespace, binding.agent): group_reads(AgentNames(binding.namespace, binding.agent), binding.inputs)
        for binding in bindings
        if (binding.namespace, binding.agent) not in store.agents
        and cluster.pods(binding.namespace, binding.agent) == frozenset()
    }


def _next(where: tuple[str, str], now_s: float) -> float:
    """Return the agent's next turn: each has its own second of the day, so that they don't come all at once."""
    own_s = zlib.crc32("/".join(where).encode()) % int(EVERY_S)
    return now_s + EVERY_S - (now_s - own_s) % EVERY_S
