"""Keeps the groups of agents at zero: Kafka deletes the offsets of a group that has had no members for seven days.

Without its offsets an agent would read its inputs from the beginning, and a gate could not go on at all (OffsetsLost).
"""

import time
import zlib

import structlog

from streamwarden_operator.clock import repeat
from streamwarden_operator.errors import OperatorError
from streamwarden_operator.ports import Offsets
from streamwarden_operator.reconcilers.scaling.scaling_store import ScalingStore

EVERY_S = 86_400.0
"""Often enough for ``offsets.retention.minutes`` of two days; the default is seven."""
_TICK_S = 60.0

_log = structlog.get_logger(__name__)


class GroupKeeper:
    """Begins the retention of each agent's two groups anew, once a day at a time of the agent's own."""

    def __init__(self, offsets: Offsets, store: ScalingStore) -> None:
        self._offsets = offsets
        self._store = store
        self._due_s: dict[tuple[str, str], float] = {}

    async def run(self) -> None:
        """Repeat for ever. A defect costs a round."""
        await repeat(self.tick, clock=time.time, every_s=_TICK_S, failure="groups not kept")

    async def tick(self, now_s: float) -> None:
        """Keep the groups that are due.

        Args:
            now_s: seconds since the epoch, so that an operator that is restarted every day begins no wait anew.
        """
        asleep = {where for where, entry in self._store.agents.items() if entry.state.desired == 0}
        self._due_s = {where: self._due_s.get(where) or _next(where, now_s) for where in asleep}
        for where in sorted(where for where, due_s in self._due_s.items() if due_s <= now_s):
            self._due_s[where] = _next(where, now_s)
            await self._keep(*where)

    async def _keep(self, namespace: str, agent: str) -> None:
        entry = self._store.agents.get((namespace, agent))
        for reads in entry.reads if entry else ():
            try:
                await self._offsets.keep(reads.group, reads.topics)
            except OperatorError as error:
                _log.warning("group not kept", group=reads.group, error=str(error))


def _next(where: tuple[str, str], now_s: float) -> float:
    """Return the agent's next turn: each has its own second of the day, so that they don't come all at once."""
    own_s = zlib.crc32("/".join(where).encode()) % int(EVERY_S)
    return now_s + EVERY_S - (now_s - own_s) % EVERY_S
