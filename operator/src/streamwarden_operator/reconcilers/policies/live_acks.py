"""What gates report, without the last words of pods that are no more: a killed gate cannot say that it has ended."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from streamwarden_contract.acks import GateAck

from streamwarden_operator.ports import Cluster, GateAcks

GONE_AFTER = timedelta(minutes=1)
"""A gate may speak before the watch has shown its pod: one that is still not there after so long is gone for good."""


@dataclass(frozen=True, slots=True)
class LiveAcks:
    """Implements ``ports.GateAcks`` over another one."""

    acks: GateAcks
    cluster: Cluster
    clock: Callable[[], float] = time.monotonic
    _missing: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    """By namespace and agent, by pod: since when a gate that reported has had no pod (monotonic seconds)."""

    def of_namespace(self, namespace: str) -> Sequence[GateAck]:
        """Return the last ack of every gate whose pod exists, or may exist."""
        return [ack for ack in self.acks.of_namespace(namespace) if self._exists(ack)]

    def of_agent(self, namespace: str, agent: str) -> Sequence[GateAck]:
        """Return the last ack of every gate of an agent whose pod exists, or may exist."""
        return [ack for ack in self.acks.of_agent(namespace, agent) if self._exists(ack)]

    def complete(self, namespace: str) -> bool:
        """Tell whether all that gates of the namespace had said has been read."""
        return self.acks.complete(namespace)

    async def forget(self, namespace: str, agent: str, pods: Collection[str]) -> None:
        """Take away what the gates of these pods said."""
        await self.acks.forget(namespace, agent, pods)

    async def forget_gone(self, namespace: str, agent: str, *, exists: bool) -> None:
        """Take away what gates of pods that are gone for good said: compaction would keep it for ever.

        Args:
            namespace: of the agent.
            agent: its name.
            exists: whether the agent still does; the pods of one that does not never come back.
        """
        now_s = self.clock()
        missing = [ack.pod for ack in self.acks.of_agent(namespace, agent) if not self._exists(ack)]
        before = self._missing.pop((namespace, agent), {})
        since = {pod: before.get(pod, now_s) for pod in missing}
        if since:
            self._missing[namespace, agent] = since
        gone = sorted(
            pod for pod, seen_s in since.items() if not exists or now_s - seen_s >= GONE_AFTER.total_seconds()
        )
        if gone:
            await self.acks.forget(namespace, agent, gone)

    def _exists(self, ack: GateAck) -> bool:
        return self._has_pod(ack.namespace, ack.agent, ack.pod)

    def _has_pod(self, namespace: str, agent: str, pod: str) -> bool:
        pods = self.cluster.pods(namespace, agent)
        return pods is None or pod in pods
