"""What the gate writes. It makes every byte itself: ids, headers, canonical JSON. Pure."""

import base64
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, TypedDict

from streamwarden_contract import canonical, ids
from streamwarden_contract.audit import (
    FORMAT,
    AuditRecord,
    ChainHead,
    DeadLetter,
    DecisionPosition,
    WouldDeny,
    audit_key,
)
from streamwarden_contract.canonical import JsonValue
from streamwarden_contract.decision import Decision
from streamwarden_contract.events import CloudEvent, Headers, format_time, time_of
from streamwarden_contract.policylog import BindingRecord
from streamwarden_contract.reasons import DeadLetterReason, VerdictReason
from streamwarden_judging.verdicts import Effect, Verdict

from streamwarden_gate.active import Target

MAX_DEAD_LETTER_BYTES = 2 * 1024 * 1024 - 64 * 1024
"""Largest dead letter, key included: the topic takes batches of 2 MiB."""

_MAX_DEAD_LETTER_KEY_BYTES = 16 * 1024
_LAST_TIMESTAMP_MS = 253_402_300_799_999
"""The end of the year 9999."""


class Record(NamedTuple):
    """One record of the decision topic, as the agent wrote it."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int
    offset: int
    timestamp_ms: int
    """The broker's append time, milliseconds since 1970."""


class Write(NamedTuple):
    """One record that the gate writes."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True)
class Outputs:
    """Everything that follows from one record; all of it is written in one transaction, or nothing."""

    audit: Write
    head: ChainHead
    """The audit chain after this record."""
    command: Write | None = None
    dead_letter: Write | None = None

    @property
    def writes(self) -> tuple[Write, ...]:
        """The records to write."""
        if self.command is not None:
            return self.command, self.audit
        return (self.audit,) if self.dead_letter is None else (self.audit, self.dead_letter)


@dataclass(frozen=True, slots=True)
class Author:
    """What all outputs of one gate under one binding share."""

    binding: BindingRecord
    pod: str

    @property
    def source(self) -> str:
        return f"/streamwarden/{self.binding.namespace}/{self.binding.agent}"


@dataclass(slots=True)
class Findings:
    """What has been learnt of a record so far; the audit says as much as could be read."""

    event: CloudEvent | None = None
    decision: Decision | None = None
    plain: dict[str, JsonValue] | None = None
    """The decision as plain JSON."""
    cause: dict[str, object] | None = None


class Refusal(NamedTuple):
    """Why a record could not be judged."""

    reason: DeadLetterReason
    message: str


class _Claims(TypedDict):
    """What an audit record says on the agent's word."""

    cause: dict[str, object] | None
    lineage: str
    correlationid: str | None
    causationid: str | None
    hops: int
    confidence: float | None
    reasoning: str | None
    model: dict[str, object] | None


class _Outcome(TypedDict):
    """What an audit record says of the verdict, or of why there is none."""

    verdict: str
    reason: str
    deadLetter: str | None
    rule: str | None
    message: str
    policies: list[str]
    wouldDeny: list[WouldDeny]


def build_command(
    author: Author, target: Target, record: Record, findings: Findings, verdict: Verdict, command_id: str
) -> Write:
    """Build the command that an allowed decision becomes."""
    decision, claims = findings.decision, findings.event
    if decision is None or claims is None or findings.plain is None or verdict.effect is not Effect.ALLOW:
        raise ValueError("only an allowed decision becomes a command")
    event = CloudEvent(
        id=command_id,
        source=author.source,
        type=decision.type,
        subject=decision.entity,
        time=_time_of(record.timestamp_ms),
        correlationid=claims.correlationid,
        causationid=claims.causationid,
        hops=claims.hops,
        traceparent=claims.traceparent,
    )
    headers: list[tuple[str, str | bytes | None]] = [
        *event.headers(),
        ("sw-verdict", b"Allow"),
        ("sw-policies", ",".join(verdict.policies).encode()),
        ("sw-gate", author.pod.encode()),
        ("sw-lineage", b"claimed"),
    ]
    key = decision.entity.encode() if target.keyed else None
    parameters = findings.plain["parameters"]
    return Write(target.topic, key, canonical.encode(parameters), headers)


@lru_cache(maxsize=64)
def _time_of(timestamp_ms: int) -> datetime:
    """The time of a record; those that arrived together share it."""
    return time_of(min(max(timestamp_ms, 0), _LAST_TIMESTAMP_MS))


def build_audit(
    author: Author,
    record: Record,
    findings: Findings,
    outcome: Verdict | Refusal,
    head: ChainHead,
    now: datetime,
    command: tuple[str, str] | None = None,
) -> tuple[Write, ChainHead]:
    """Build the audit record and the head of the chain after it.

    Args:
        author: who judged, under which binding.
        record: what was judged.
        findings: what could be read of it.
        outcome: the verdict, or why there is none.
        head: the chain before this record; its epochs are those in force.
        now: the gate's clock.
        command: id and topic of the command that follows.
    """
    binding = author.binding
    audit: AuditRecord = {
        "format": FORMAT,
        "id": ids.audit_id(binding.agent_uid, binding.decision_topic.topic_id, record.partition, record.offset),
        "time": format_time(now),
        "namespace": binding.namespace,
        "agent": binding.agent,
        "agentUid": binding.agent_uid,
        "gate": author.pod,
        "decision": _position_of(author, record, findings),
        **_claims_of(findings),
        **_outcome_of(outcome),
        "epochs": {"namespace": head.namespace_epoch, "guardrail": head.guardrail_epoch},
        "command": None if command is None else {"id": command[0], "topic": command[1]},
        "latencyMs": max(0.0, round(now.timestamp() * 1000 - record.timestamp_ms, 3)),
        "chain": {"length": head.length + 1, "previous": head.sha256},
    }
    value = canonical.encode(audit)
    return Write(binding.audit_topic, audit_key(binding.agent, record.partition), value, []), head.after(value)


def _position_of(author: Author, record: Record, findings: Findings) -> DecisionPosition:
    """Say which record was judged."""
    topic, event, decision = author.binding.decision_topic, findings.event, findings.decision
    return {
        "topic": topic.name,
        "topicId": topic.topic_id,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        "id": None if event is None else event.id,
        "type": None if decision is None else decision.type,
        "entity": None if decision is None else decision.entity,
        "digest": ids.sha256_hex(record.value or b""),
    }


def _claims_of(findings: Findings) -> _Claims:
    """Say what the agent says: where it could not be read, nothing."""
    event, decision, plain = findings.event, findings.decision, findings.plain or {}
    return {
        "cause": findings.cause,
        "lineage": "claimed",
        "correlationid": None if event is None else event.correlationid,
        "causationid": None if event is None else event.causationid,
        "hops": 0 if event is None else event.hops,
        "confidence": None if decision is None else decision.confidence,
        "reasoning": None if decision is None else decision.reasoning,
        "model": plain.get("model"),  # type: ignore[typeddict-item]  # validated: an object or nothing
    }


def _outcome_of(outcome: Verdict | Refusal) -> _Outcome:
    """Say what was decided, and why."""
    if isinstance(outcome, Refusal):
        return {
            "verdict": "DeadLetter",
            "reason": VerdictReason.DEAD_LETTER,
            "deadLetter": outcome.reason,
            "rule": None,
            "message": outcome.message,
            "policies": [],
            "wouldDeny": [],
        }
    return {
        "verdict": outcome.effect,
        "reason": outcome.reason,
        "deadLetter": None,
        "rule": outcome.rule,
        "message": outcome.message,
        "policies": list(outcome.policies),
        "wouldDeny": [
            {"policy": found.policy, "rule": found.rule, "reason": found.reason} for found in outcome.would_deny
        ],
    }


def build_dead_letter(author: Author, record: Record, findings: Findings, refusal: Refusal, now: datetime) -> Write:
    """Build the envelope that keeps the original.

    A record that compression let past the topic's limit may not fit into an envelope of ``MAX_DEAD_LETTER_BYTES``: then
    key, value and headers stay out, and the message says how large it was. Its digest is in the audit.
    """
    binding = author.binding
    envelope: DeadLetter = {
        "format": FORMAT,
        "id": ids.dead_letter_id(binding.agent_uid, binding.decision_topic.topic_id, record.partition, record.offset),
        "time": format_time(now),
        "namespace": binding.namespace,
        "agent": binding.agent,
        "reason": refusal.reason,
        "message": refusal.message,
        "topic": binding.decision_topic.name,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        "cause": findings.cause if refusal.reason is DeadLetterReason.AGENT_FAILURE else None,
        "key": None,
        "value": None,
        "headers": [],
    }
    key = record.key if record.key is not None and len(record.key) <= _MAX_DEAD_LETTER_KEY_BYTES else None
    size = record_size(record)
    if size <= MAX_DEAD_LETTER_BYTES:
        original: DeadLetter = {
            **envelope,
            "key": _base64(record.key),
            "value": _base64(record.value),
            "headers": [[_printable(name), _base64(_as_bytes(raw))] for name, raw in record.headers],
        }
        value = canonical.encode(original)
        if len(value) + len(key or b"") <= MAX_DEAD_LETTER_BYTES:
            return Write(binding.dead_letter_topic, key, value, [])
    envelope["message"] = f"{refusal.message}; the original of {size} bytes is too large to be kept here"
    return Write(binding.dead_letter_topic, key, canonical.encode(envelope), [])


def record_size(record: Record) -> int:
    """Return the bytes of key, value and headers together."""
    size = len(record.key or b"") + len(record.value or b"")
    for name, raw in record.headers:
        size += len(name) + (len(raw) if raw is not None else 0)
    return size


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()


def _as_bytes(raw: bytes | str | None) -> bytes | None:
    return raw.encode("utf-8", errors="surrogatepass") if isinstance(raw, str) else raw


def _printable(name: str) -> str:
    """A header's name without lone surrogates, which JSON in UTF-8 cannot hold."""
    return name.encode("utf-8", errors="replace").decode()
