"""Audit records, their hash chain, and the offset metadata that carries the chain's head.

Records of one decision partition form a chain: each holds the SHA-256 of the value before it. The head travels as
metadata of the offset that the same transaction commits, so the next owner of the partition continues the chain.
"""

import re
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from streamwarden_contract.errors import ContractError
from streamwarden_contract.ids import sha256_hex

FORMAT = 1
GENESIS = "0" * 64
"""The hash before the first record."""

_METADATA = re.compile(r"1;([0-9]{1,18});([0-9a-f]{64});([0-9]{1,18});([0-9]{1,18})")


class ChainError(ContractError):
    """The offset metadata of a decision partition cannot be read: the chain's head is unknown."""


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Where the audit chain of one decision partition stands, and under which epochs it was judged."""

    length: int = 0
    """Records so far."""
    sha256: str = GENESIS
    """Hash of the last record's value."""
    namespace_epoch: int = 0
    guardrail_epoch: int = 0

    def metadata(self) -> str:
        """Write the offset metadata: at most 123 bytes; Kafka takes 4,095 in a transaction."""
        return f"{FORMAT};{self.length};{self.sha256};{self.namespace_epoch};{self.guardrail_epoch}"

    def after(self, value: bytes) -> "ChainHead":
        """Return the head after one more audit record."""
        return ChainHead(self.length + 1, sha256_hex(value), self.namespace_epoch, self.guardrail_epoch)

    def under(self, *, namespace_epoch: int, guardrail_epoch: int) -> "ChainHead":
        """Return the same head under these epochs."""
        return ChainHead(self.length, self.sha256, namespace_epoch, guardrail_epoch)


def parse_metadata(metadata: str | None) -> ChainHead:
    """Read the offset metadata of a decision partition.

    Raises:
        ChainError: nothing there, or not of format 1. Never guessed: a lost head would hide a gap in the audit.
    """
    match = _METADATA.fullmatch(metadata or "")
    if match is None:
        raise ChainError("the committed offset carries no audit chain of format 1")
    return ChainHead(int(match[1]), match[2], int(match[3]), int(match[4]))


def audit_key(agent: str, partition: int) -> bytes:
    """Return the key of audit records: one chain a key."""
    return f"{agent}/{partition}".encode()


class DecisionPosition(TypedDict):
    """The judged record."""

    topic: str
    topicId: str
    partition: int
    offset: int
    timestamp: int
    """The broker's append time, milliseconds since 1970."""
    id: str | None
    """``ce_id``: the agent's claim."""
    type: str | None
    entity: str | None
    digest: str
    """SHA-256 of the record's value."""


class CommandRef(TypedDict):
    """The command that an allowed decision became."""

    id: str
    topic: str


class WouldDeny(TypedDict):
    """A rule of an Audit policy that does not hold."""

    policy: str
    rule: str
    reason: str


class Omitted(TypedDict):
    """How many entries of long lists an audit record leaves out; the epochs and the decision's type say which."""

    policies: int
    wouldDeny: int


class Epochs(TypedDict):
    """The epochs of the two policy logs that were in force."""

    namespace: int
    guardrail: int


class ChainLink(TypedDict):
    """The record's place in the chain of its decision partition."""

    length: int
    """1 for the first record."""
    previous: str
    """SHA-256 of the value before it; ``GENESIS`` for the first."""


class AuditClaims(TypedDict):
    """What an audit record says of the agent's word; nobody has checked it."""

    cause: dict[str, object] | None
    """The input that the agent says it answers."""
    lineage: str
    """``claimed``: correlation, causation and hops are the agent's word."""
    correlationid: str | None
    causationid: str | None
    hops: int
    confidence: float | None
    reasoning: str | None
    model: dict[str, object] | None


class AuditReasons(TypedDict):
    """What an audit record says of the verdict, or of why there is none."""

    verdict: str
    """Allow, Deny or DeadLetter."""
    reason: str
    """A ``VerdictReason``."""
    deadLetter: str | None
    """A ``DeadLetterReason``, where the verdict is DeadLetter."""
    rule: str | None
    message: str
    policies: list[str]
    wouldDeny: list[WouldDeny]
    omitted: NotRequired[Omitted]
    """Only where something is left out of ``policies`` or ``wouldDeny``."""


class AuditRecord(AuditClaims, AuditReasons):
    """One judged record, as canonical JSON on ``<ns>.streamwarden.audit``."""

    format: int
    id: str
    time: str
    """When it was judged (RFC 3339)."""
    namespace: str
    agent: str
    agentUid: str
    gate: str
    """Pod of the gate."""
    decision: DecisionPosition
    epochs: Epochs
    command: CommandRef | None
    latencyMs: float
    """From the broker's append time until it was judged."""
    chain: ChainLink


class DeadLetter(TypedDict):
    """A record that could not be judged, as JSON on ``<ns>.streamwarden.dlq``: the one place that keeps its bytes."""

    format: int
    id: str
    time: str
    namespace: str
    agent: str
    reason: str
    """A ``DeadLetterReason``."""
    message: str
    topic: str
    partition: int
    offset: int
    timestamp: int
    cause: dict[str, object] | None
    """For ``AgentFailure``: the position of the input that the agent could not process."""
    key: str | None
    """Base64."""
    value: str | None
    """Base64."""
    headers: list[list[str | None]]
    """Pairs of name and base64 value."""
