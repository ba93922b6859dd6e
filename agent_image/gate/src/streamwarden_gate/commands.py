"""The command that an allowed decision becomes. Pure."""

from datetime import datetime

from streamwarden_contract import canonical
from streamwarden_contract.events import CloudEvent, time_of
from streamwarden_contract.verdicts import Effect
from streamwarden_judging.verdicts import Verdict
from streamwarden_kafka.records import Write

from streamwarden_gate.active import Target
from streamwarden_gate.outcome import Author, Command, Findings
from streamwarden_gate.records import Record

_MAX_POLICIES = 64
"""Policies that a command names: it must fit into its topic; the audit record names more."""
COMMAND_FORMAT = b"1"
_LAST_TIMESTAMP_MS = 253_402_300_799_999
"""The end of the year 9999."""


def build_command(
    author: Author, target: Target, record: Record, findings: Findings, verdict: Verdict, now: datetime
) -> Command:
    """Build the command that an allowed decision becomes.

    Args:
        author: who judged, under which binding.
        target: where commands of its type go.
        record: what was judged.
        findings: what could be read of it.
        verdict: that it is allowed.
        now: the time of the verdict, in UTC; the command expires some time after it.

    Raises:
        ValueError: it was not allowed, or could not be read.
    """
    decision, claims = findings.decision, findings.event
    if decision is None or claims is None or findings.plain is None or verdict.effect is not Effect.ALLOW:
        raise ValueError("only an allowed decision becomes a command")
    command_id = author.command_id(record)
    event = CloudEvent(
        id=command_id,
        source=author.source,
        type=decision.type,
        subject=decision.entity,
        time=time_of(min(max(record.timestamp_ms, 0), _LAST_TIMESTAMP_MS)),
        correlationid=claims.correlationid,
        causationid=claims.causationid,
        hops=claims.hops,
        traceparent=claims.traceparent,
        expirytime=now + target.expires_after,
    )
    headers: list[tuple[str, str | bytes | None]] = [
        *event.headers(),
        ("sw-format", COMMAND_FORMAT),
        ("sw-verdict", Effect.ALLOW.encode()),
        ("sw-policies", ",".join(verdict.policies[:_MAX_POLICIES]).encode()),
        ("sw-gate", author.pod.encode()),
        ("sw-lineage", b"claimed"),
    ]
    key = decision.entity.encode() if target.keyed else None
    parameters = findings.plain["parameters"]
    return Command(command_id, Write(target.topic, key, canonical.encode(parameters), headers))
