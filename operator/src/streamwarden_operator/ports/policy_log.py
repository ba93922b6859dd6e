"""The policy log, and what gates report of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from streamwarden_contract.acks import GateAck


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """One record to write; a value of None is a tombstone and has no signature."""

    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class PolicyLog(Protocol):
    """Topics of signed records, policy topics and the inventory, written by one fenced publisher."""

    @property
    def cluster_id(self) -> str:
        """Kafka's cluster id, which is signed with every record."""
        ...

    async def look(self, topic: str) -> Mapping[bytes, SignedRecord]:
        """Return what ``read`` does, and fence nobody: the topic may be another installation's."""
        ...

    async def read(self, topic: str) -> Mapping[bytes, SignedRecord]:
        """Return the last record of every key, tombstones left out, after fencing any other publisher."""
        ...

    async def publish(self, topic: str, records: Sequence[SignedRecord]) -> None:
        """Write the records in one transaction, in order."""
        ...


class GateAcks(Protocol):
    """What the gates last reported."""

    def of_namespace(self, namespace: str) -> Sequence[GateAck]: ...

    def of_agent(self, namespace: str, agent: str) -> Sequence[GateAck]:
        """Return what the gates of one agent reported, without a look at all others."""
        ...

    def complete(self, namespace: str) -> bool:
        """Tell whether all that the namespace's gates had said is known: before, one may live unknown."""
        ...

    async def forget(self, namespace: str, agent: str, pods: Collection[str]) -> None:
        """Take away what the gates of these pods said: they are gone for good."""
        ...
