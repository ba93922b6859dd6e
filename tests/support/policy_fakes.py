"""The policy log and the gates' acks in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streamwarden_contract.acks import GateAck, ReadFormats
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.policylog import NEWEST_FORMAT
from streamwarden_operator.errors import KafkaUnavailableError, LeadershipLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from streamwarden_contract.policylog import BindingRecord
    from streamwarden_operator.adapters.kafka.gate_acks import OnAck
    from streamwarden_operator.ports import SignedRecord


class FakePolicyLog:
    """Compacted topics in dicts."""

    def __init__(self) -> None:
        self.down = False
        self.topics: dict[str, dict[bytes, SignedRecord]] = {}
        self.writes: list[tuple[object, ...]] = []
        self.closed = False
        self.taken_over = asyncio.Event()
        """Set: another publisher has fenced this one."""

    @property
    def cluster_id(self) -> str:
        return "fake-cluster"

    async def look(self, topic: str) -> Mapping[bytes, SignedRecord]:
        self._answer()
        return dict(self.topics.get(topic, {}))

    async def read(self, topic: str) -> Mapping[bytes, SignedRecord]:
        return await self.look(topic)

    async def publish(self, topic: str, records: Sequence[SignedRecord]) -> None:
        self._answer()
        self.writes.append(("publish", topic, tuple(record.key.decode() for record in records)))
        held = self.topics.setdefault(topic, {})
        for record in records:
            if record.value is None:
                held.pop(record.key, None)
            else:
                held[record.key] = record

    async def fenced(self) -> LeadershipLostError:
        await self.taken_over.wait()
        return LeadershipLostError("another operator publishes now")

    async def close(self) -> None:
        self.closed = True

    def _answer(self) -> None:
        if self.down:
            raise KafkaUnavailableError("no answer from Kafka")


class FakeGateAcks:
    """Gates that speak when the test lets them."""

    def __init__(self) -> None:
        self.on_ack: OnAck = _ignore
        self.on_complete: Callable[[str], None] = _nobody
        self.on_restart: Callable[[str], None] = _nobody
        self.unread: set[str] = set()
        """Namespaces whose gates topic has not been read to its end."""
        self.acks: dict[tuple[str, str, str], GateAck] = {}
        self.watched: list[str] = []
        self.forgotten: list[tuple[str, str, str]] = []
        self.running = False

    def of_namespace(self, namespace: str) -> Sequence[GateAck]:
        return [ack for (where, _, _), ack in sorted(self.acks.items()) if where == namespace]

    def of_agent(self, namespace: str, agent: str) -> Sequence[GateAck]:
        return [ack for ack in self.of_namespace(namespace) if ack.agent == agent]

    def complete(self, namespace: str) -> bool:
        return namespace not in self.unread

    def read_all(self, namespace: str) -> None:
        """Let the namespace's gates topic be read to its end."""
        self.unread.discard(namespace)
        self.on_complete(namespace)

    async def forget(self, namespace: str, agent: str, pods: Collection[str]) -> None:
        for pod in pods:
            self.forgotten.append((namespace, agent, pod))
            self.acks.pop((namespace, agent, pod), None)

    def watch(self, namespace: str) -> None:
        self.watched.append(namespace)

    def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False

    def say(self, ack: GateAck) -> None:
        """Let a gate report."""
        self.acks[ack.namespace, ack.agent, ack.pod] = ack
        self.on_ack(ack.namespace, ack.agent, ack.pod, ack)


def ack_of(binding: BindingRecord, pod: str = "pod-0", **changes: object) -> GateAck:
    """Build the ack of a gate that has exactly this binding in force, or says what ``changes`` say."""
    fields: dict[str, object] = {
        "namespace": binding.namespace,
        "agent": binding.agent,
        "agent_uid": binding.agent_uid,
        "pod": pod,
        "state": "InForce",
        "policies": tuple(
            PolicyRef(namespace=ref.namespace, name=ref.name, revision=ref.revision) for ref in binding.policies
        ),
        "formats": ReadFormats(policy_log=NEWEST_FORMAT),
        "reported_at_ms": 1,
    }
    return GateAck.model_validate(fields | changes)


def _ignore(_namespace: str, _agent: str, _pod: str, _ack: GateAck | None) -> None:
    """Before anybody listens."""


def _nobody(_namespace: str) -> None:
    """Before anybody listens."""
