"""What the gate writes. It makes every byte itself: ids, headers, canonical JSON. Pure."""

import base64
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from streamwarden_contract import canonical, ids
from streamwarden_contract.audit import FORMAT, AuditRecord, ChainHead, DeadLetter, audit_key
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
    binding, event, plain = author.binding, findings.event, findings.plain or {}
    topic = binding.decision_topic
    refusal = outcome if isinstance(outcome, Refusal) else None
    verdict = None if isinstance(outcome, Refusal) else outcome
    audit: AuditRecord = {
        "format": FORMAT,
        "id": ids.audit_id(binding.agent_uid, topic.topic_id, record.partition, record.offset),
        "time": format_time(now),
        "namespace": binding.namespace,
        "agent": binding.agent,
        "agentUid": binding.agent_uid,
        "gate": author.pod,
        "decision": {
            "topic": topic.name,
            "topicId": topic.topic_id,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp_ms,
            "id": event.id if event else None,
            "type": findings.decision.type if findings.decision else None,
            "entity": findings.decision.entity if findings.decision else None,
            "digest": ids.sha256_hex(record.value or b""),
        },
        "cause": findings.cause,
        "lineage": "claimed",
        "correlationid": event.correlationid if event else None,
        "causationid": event.causationid if event else None,
        "hops": event.hops if event else 0,
        "verdict": verdict.effect if verdict else "DeadLetter",
        "reason": verdict.reason if verdict else VerdictReason.DEAD_LETTER,
        "deadLetter": refusal.reason if refusal else None,
        "rule": verdict.rule if verdict else None,
        "message": outcome.message,
        "policies": list(verdict.policies) if verdict else [],
        "wouldDeny": [
            {"policy": found.policy, "rule": found.rule, "reason": found.reason}
            for found in (verdict.would_deny if verdict else ())
        ],
        "epochs": {"namespace": head.namespace_epoch, "guardrail": head.guardrail_epoch},
        "command": {"id": command[0], "topic": command[1]} if command else None,
        "confidence": findings.decision.confidence if findings.decision else None,
        "reasoning": findings.decision.reasoning if findings.decision else None,
        "model": plain.get("model"),  # type: ignore[typeddict-item]  # validated: an object or nothing
        "latencyMs": max(0.0, round(now.timestamp() * 1000 - record.timestamp_ms, 3)),
        "chain": {"length": head.length + 1, "previous": head.sha256},
    }
    value = canonical.encode(audit)
    return Write(binding.audit_topic, audit_key(binding.agent, record.partition), value, []), head.after(value)


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
