"""What gates report, without the last words of pods that are no more: a killed gate cannot say that it has ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamwarden_contract.acks import GateAck

from streamwarden_operator.ports import Cluster, GateAcks


@dataclass(frozen=True, slots=True)
class LiveAcks:
    """Implements ``ports.GateAcks`` over another one."""

    acks: GateAcks
    cluster: Cluster

    def of_namespace(self, namespace: str) -> Sequence[GateAck]:
        """Return the last ack of every gate whose pod exists, or may exist."""
        return [ack for ack in self.acks.of_namespace(namespace) if self._exists(ack)]

    def _exists(self, ack: GateAck) -> bool:
        pods = self.cluster.pods(ack.namespace, ack.agent)
        return pods is None or ack.pod in pods
