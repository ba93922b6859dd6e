"""Audit records, their hash chain, and the offset metadata that carries the chain's head.

Records of one decision partition form a chain: each holds the SHA-256 of the value before it. The head travels as
metadata of the offset that the same transaction commits, so the next owner of the partition continues the chain.
"""

import re
from typing import NamedTuple, NotRequired, TypedDict

from streamwarden_contract.errors import ContractError
from streamwarden_contract.ids import sha256_hex

AUDIT_FORMAT = 1
"""Of audit records."""

DEAD_LETTER_FORMAT = 1
"""Of dead letters: another than that of audit records."""

GENESIS = "0" * 64
"""The hash before the first record."""

METADATA_FORMAT = 2
"""What is written. Format 1, without topic id, offset, state and tries, is still read."""

_CHAIN = r"([0-9]{1,18});([0-9a-f]{64});([0-9]{1,18});([0-9]{1,18})"
_METADATA_1 = re.compile(f"1;{_CHAIN}")
_METADATA_2 = re.compile(rf"2;([A-Za-z0-9+/_-]{{1,64}});([0-9]{{1,18}});{_CHAIN};([0-9]{{1,18}});([0-9]{{1,18}})")


class ChainError(ContractError):
    """The offset metadata of a decision partition is not its own, or cannot be read: the chain's head is unknown."""


class ChainHead(NamedTuple):
    """Where the audit chain of one decision partition stands, and under which epochs it was judged."""

    length: int = 0
    """Records so far."""
    sha256: str = GENESIS
    """Hash of the last record's value."""
    namespace_epoch: int = 0
    guardrail_epoch: int = 0
    state_number: int = 0
    """The newest record of the agent's state that was counted; 0 where it has none."""
    tries: int = 0
    """How often the process died of the record at the offset."""

    def metadata(self, topic_id: str, offset: int) -> str:
        """Write the offset metadata: at most 245 bytes; Kafka takes 4,095 in a transaction.

        Args:
            topic_id: of the decision topic, in base64.
            offset: what is committed with it. Whoever copies the metadata beside another offset, or to a topic that
                was made again, is found out when it is read.
        """
        return (
            f"{METADATA_FORMAT};{topic_id};{offset};{self.length};{self.sha256};{self.namespace_epoch};"
            f"{self.guardrail_epoch};{self.state_number};{self.tries}"
        )

    def after(self, value: bytes) -> "ChainHead":
        """Return the head after one more audit record: the next record has not been tried yet."""
        digest = sha256_hex(value)
        return ChainHead(self.length + 1, digest, self.namespace_epoch, self.guardrail_epoch, self.state_number)

    def tried(self) -> "ChainHead":
        """Return the same head after one more death of the record at the offset."""
        return self._replace(tries=self.tries + 1)

    def untried(self) -> "ChainHead":
        """Return the same head where another record is next."""
        return self._replace(tries=0) if self.tries else self

    def under(self, *, namespace_epoch: int, guardrail_epoch: int) -> "ChainHead":
        """Return the same head under these epochs."""
        return self._replace(namespace_epoch=namespace_epoch, guardrail_epoch=guardrail_epoch)


def parse_metadata(metadata: str | None, *, topic_id: str, offset: int) -> ChainHead:
    """Read the offset metadata of a decision partition.

    Args:
        metadata: what was committed.
        topic_id: of the decision topic, as it is now.
        offset: what the metadata was committed with.

    Raises:
        ChainError: nothing there, of no format that is known, or of another topic or offset. Never guessed: a lost
            head would hide a gap in the audit.
    """
    text = metadata or ""
    if match := _METADATA_1.fullmatch(text):
        return ChainHead(int(match[1]), match[2], int(match[3]), int(match[4]))
    match = _METADATA_2.fullmatch(text)
    if match is None:
        raise ChainError("the committed offset carries no audit chain of format 1 or 2")
    if match[1] != topic_id:
        raise ChainError(f"the audit chain beside the offset is of the topic {match[1]}; this one is {topic_id}")
    if int(match[2]) != offset:
        raise ChainError(f"the audit chain beside the offset {offset} is that of the offset {int(match[2])}")
    return ChainHead(int(match[3]), match[4], *(int(number) for number in match.groups()[4:]))


def audit_key(agent: str, partition: int) -> bytes:
    """Return the key of audit records: one chain a key."""
    return f"{agent}/{partition}".encode()


class DecisionPosition(TypedDict):
    """The judged record."""

    topic: str
    """The agent's decision topic."""
    topicId: str
    """Kafka's id of it: a topic that is made again has another."""
    partition: int
    """Its partition."""
    offset: int
    """Its offset."""
    timestamp: int
    """The broker's append time, milliseconds since 1970; of what was skipped on request, when that was."""
    id: str | None
    """``ce_id``: the agent's claim."""
    type: str | None
    """The decision's type; null where it could not be read."""
    entity: str | None
    """What is decided about; null where it could not be read."""
    digest: str
    """SHA-256 of the record's value; of a skipped range that could not be read, of its batch as the broker has it; of
    what was skipped on request, of that entry of the binding's ``skips`` in canonical JSON; of a run of dead letters,
    of its records' SHA-256 (32 bytes each), one after the other."""
    lastOffset: NotRequired[int]
    """Only of a range: its last offset. All from ``offset`` on were skipped, or are a run of dead letters."""
    records: NotRequired[int]
    """Only of a run of dead letters without copies: how many records it has."""


class CommandRef(TypedDict):
    """The command that an allowed decision became."""

    id: str
    """Follows from the decision's place; the ``ce_id`` of the command."""
    topic: str
    """The command topic."""


class WouldDeny(TypedDict):
    """A rule of an Audit policy that does not hold."""

    policy: str
    """``namespace/name@revision``."""
    rule: str
    """Its rule; empty where the policy as a whole could not be asked."""
    reason: str
    """Why it does not hold: a ``VerdictReason``."""
    message: NotRequired[str]
    """What went wrong, in words, where it could not be evaluated; at most 300 characters."""


class Omitted(TypedDict):
    """How many entries of long lists an audit record leaves out; the epochs and the decision's type say which."""

    policies: int
    """Of ``policies``."""
    wouldDeny: int
    """Of ``wouldDeny``."""


class Epochs(TypedDict):
    """The epochs of the two policy logs that were in force."""

    namespace: int
    """Of the namespace's policies."""
    guardrail: int
    """Of the guardrails."""


class ChainLink(TypedDict):
    """The record's place in the chain of its decision partition."""

    length: int
    """1 for the first record."""
    previous: str
    """SHA-256 of the value before it; 64 zeros for the first."""


class AuditClaims(TypedDict):
    """What an audit record says of the agent's word; nobody has checked it."""

    cause: dict[str, object] | None
    """The input that the agent says it answers."""
    lineage: str
    """``claimed``: correlation, causation and hops are the agent's word."""
    correlationid: str | None
    """Null where it could not be read."""
    causationid: str | None
    """Null where there is none."""
    hops: int
    """How many decisions led here."""
    confidence: float | None
    """From 0 to 1."""
    reasoning: str | None
    """In the agent's words."""
    model: dict[str, object] | None
    """Name, version and digest."""


class AuditReasons(TypedDict):
    """What an audit record says of the verdict, or of why there is none."""

    verdict: str
    """Allow, Deny, DeadLetter or Skipped."""
    reason: str
    """A ``VerdictReason``."""
    deadLetter: str | None
    """A ``DeadLetterReason``, where the verdict is DeadLetter."""
    rule: str | None
    """The rule that decided, if one did."""
    message: str
    """The reason in words."""
    policies: list[str]
    """Every policy that was asked, as ``namespace/name@revision``."""
    wouldDeny: list[WouldDeny]
    """Rules of Audit policies that do not hold."""
    omitted: NotRequired[Omitted]
    """Only where something is left out of ``policies`` or ``wouldDeny``."""


class AuditRecord(AuditClaims, AuditReasons):
    """One judged record, as canonical JSON on ``<ns>.streamwarden.audit``."""

    format: int
    """Of this record."""
    id: str
    """Follows from the decision's place, so that a repetition has the same."""
    time: str
    """When it was judged (RFC 3339)."""
    namespace: str
    """The agent's."""
    agent: str
    """Who decided."""
    agentUid: str
    """An agent that is made again has another."""
    gate: str
    """Pod of the gate."""
    decision: DecisionPosition
    """Which record was judged."""
    epochs: Epochs
    """What was in force."""
    command: CommandRef | None
    """What an allowed decision became."""
    latencyMs: float
    """From the broker's append time until it was judged."""
    chain: ChainLink
    """Its place in the chain."""


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
