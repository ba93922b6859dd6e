"""The audit record of a record, a link of its partition's chain. Pure."""

from datetime import datetime

from streamwarden_contract import canonical, ids
from streamwarden_contract.audit import (
    AUDIT_FORMAT,
    AuditClaims,
    AuditReasons,
    AuditRecord,
    ChainHead,
    DecisionPosition,
    WouldDeny,
    audit_key,
)
from streamwarden_contract.events import FAILURE_TYPE, format_time
from streamwarden_contract.reasons import VerdictReason
from streamwarden_judging.verdicts import Finding, Verdict
from streamwarden_kafka.records import Write

from streamwarden_gate.outcome import Author, Command, Findings, Judgement, Run, Skip, verdict_of
from streamwarden_gate.records import Record

MAX_WOULD_DENY, MAX_POLICIES = 32, 256
"""Longest lists in an audit record: no set of policies may make one that Kafka refuses. What is left out is counted."""


def build_audit(
    author: Author,
    record: Record,
    findings: Findings,
    judgement: Judgement,
    head: ChainHead,
    now: datetime,
    command: Command | None = None,
) -> tuple[Write, ChainHead]:
    """Build the audit record and the head of the chain after it.

    Args:
        author: who judged, under which binding.
        record: what was judged.
        findings: what could be read of it.
        judgement: the verdict, or why there is none; of a range, ``record`` is where it begins.
        head: the chain before this record; its epochs are those in force.
        now: the gate's clock, in UTC.
        command: what follows, if anything.
    """
    binding = author.binding
    audit: AuditRecord = {
        "format": AUDIT_FORMAT,
        "id": author.audit_id(record),
        "time": format_time(now),
        "namespace": binding.namespace,
        "agent": binding.agent,
        "agentUid": binding.agent_uid,
        "gate": author.pod,
        "decision": _position_of(author, record, findings, judgement),
        **_claims_of(findings),
        **_reasons_of(judgement),
        "epochs": {"namespace": head.namespace_epoch, "guardrail": head.guardrail_epoch},
        "command": None if command is None else {"id": command.id, "topic": command.write.topic},
        "latencyMs": max(0.0, round(now.timestamp() * 1000 - record.timestamp_ms, 3)),
        "chain": {"length": head.length + 1, "previous": head.sha256},
    }
    value = canonical.encode(audit)
    return Write(binding.audit_topic, audit_key(binding.agent, record.partition), value, []), head.after(value)


def _position_of(author: Author, record: Record, findings: Findings, judgement: Judgement) -> DecisionPosition:
    """Say which record was judged, or which range could not be."""
    topic, event, decision = author.binding.decision_topic, findings.event, findings.decision
    position: DecisionPosition = {
        "topic": topic.name,
        "topicId": topic.topic_id,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        "id": None if event is None else event.id,
        "type": None if decision is None else decision.type,
        "entity": _entity_of(findings),
        "digest": judgement.digest if isinstance(judgement, Skip | Run) else ids.sha256_hex(record.value or b""),
    }
    if isinstance(judgement, Skip) or (isinstance(judgement, Run) and judgement.records > 1):
        position["lastOffset"] = judgement.last
    if isinstance(judgement, Run) and judgement.records > 1:
        position["records"] = judgement.records
    return position


def _entity_of(findings: Findings) -> str | None:
    """Say what it is about; of an input that the agent gave up, as its failure record says."""
    if findings.decision is not None:
        return findings.decision.entity
    event = findings.event
    return event.subject if event is not None and event.type == FAILURE_TYPE else None


def _claims_of(findings: Findings) -> AuditClaims:
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


def _reasons_of(judgement: Judgement) -> AuditReasons:
    """Say what was decided, and why."""
    if not isinstance(judgement, Verdict):
        return {
            "verdict": verdict_of(judgement),
            "reason": judgement.reason if isinstance(judgement, Skip) else VerdictReason.DEAD_LETTER,
            "deadLetter": None if isinstance(judgement, Skip) else judgement.reason,
            "rule": None,
            "message": judgement.message,
            "policies": [],
            "wouldDeny": [],
        }
    reasons: AuditReasons = {
        "verdict": verdict_of(judgement),
        "reason": judgement.reason,
        "deadLetter": None,
        "rule": judgement.rule,
        "message": judgement.message,
        "policies": list(judgement.policies[:MAX_POLICIES]),
        "wouldDeny": [_would_deny(found) for found in judgement.would_deny[:MAX_WOULD_DENY]],
    }
    policies, would_deny = len(judgement.policies) - MAX_POLICIES, len(judgement.would_deny) - MAX_WOULD_DENY
    if policies > 0 or would_deny > 0:
        reasons["omitted"] = {"policies": max(0, policies), "wouldDeny": max(0, would_deny)}
    return reasons


def _would_deny(found: Finding) -> WouldDeny:
    said: WouldDeny = {"policy": found.policy, "rule": found.rule, "reason": found.reason}
    if found.reason is not VerdictReason.RULE_NOT_SATISFIED:
        said["message"] = found.message
    return said
