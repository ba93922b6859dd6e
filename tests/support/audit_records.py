"""Audit chains as a gate writes them, in memory, and ways to break them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from streamwarden_contract import canonical
from streamwarden_contract.audit import GENESIS, ChainHead
from streamwarden_contract.audit_chains import Chain, ChainId
from streamwarden_contract.audit_faults import Place
from streamwarden_contract.ids import sha256_hex
from streamwarden_gate.judge import Judge
from support.gate_log import AGENT, NAMESPACE, MemoryLog, decision, record

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TOPIC, DECISIONS = f"{NAMESPACE}.streamwarden.audit", f"{NAMESPACE}.{AGENT}.decisions"
PARTITION = record(None).partition
ID = ChainId(AGENT, PARTITION)
EPOCHS = ChainHead(namespace_epoch=1, guardrail_epoch=1)


def judge() -> Judge:
    log = MemoryLog()
    log.write_all()
    return Judge(log.build(), "pod-0")


def values_of(kind: int) -> bytes:
    """Return a decision that is allowed, denied, or none at all."""
    return (decision().encode(), decision(confidence=0.1).encode(), b"broken")[kind % 3]


def build_chain(count: int, judge: Judge, *, first_offset: int = 0) -> tuple[list[bytes], ChainHead]:
    """Return the records of a gate that has judged ``count`` decisions of each kind in turn, and its head."""
    records, head = list[bytes](), EPOCHS
    for number in range(count):
        # Every other offset: a transaction's marker stands between.
        outcome = judge.judge(record(values_of(number), offset=first_offset + 2 * number), head, NOW)
        records.append(outcome.audit.value or b"")
        head = outcome.head
    return records, head


def changed(value: bytes, *path: str, to: object) -> bytes:
    """Return an audit record with one field changed."""
    found: Any = canonical.decode(value)
    inner = found
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = to
    return canonical.encode(found)


def resigned(records: Sequence[bytes]) -> list[bytes]:
    """Write the links of these records anew, as somebody would who hides a change."""
    signed, previous = list[bytes](), GENESIS
    for length, value in enumerate(records, start=1):
        linked = changed(value, "chain", to={"length": length, "previous": previous})
        signed.append(linked)
        previous = sha256_hex(linked)
    return signed


def read_chain(
    records: Sequence[bytes], head: ChainHead | None = None, *, now: ChainHead | None = None, log_start: int = 0
) -> Chain:
    """Read a chain, and compare it with a head where there is one."""
    chain = Chain(ID, NAMESPACE, head)
    for offset, value in enumerate(records, start=log_start):
        chain.take(Place(TOPIC, 0, offset), value, log_start=log_start)
    if head is not None:
        chain.finish(Place(DECISIONS, PARTITION, 99), now or head, log_start=log_start)
    return chain


def kinds(chain: Chain) -> list[str]:
    """Return what is wrong with a chain, in order."""
    return [fault.kind.value for fault in chain.faults]
