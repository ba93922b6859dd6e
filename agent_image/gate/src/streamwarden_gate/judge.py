"""One record of the decision topic, judged: checks in a fixed order, then the policies. Pure, and it never raises."""

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from streamwarden_contract import decision, events
from streamwarden_contract.audit import ChainHead
from streamwarden_contract.decision import MAX_RECORD_BYTES
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.partitioner import partition_of
from streamwarden_contract.reasons import DeadLetterReason, VerdictReason
from streamwarden_contract.verdicts import Effect
from streamwarden_judging.engine import Engine
from streamwarden_judging.verdicts import Verdict
from streamwarden_judging.words import as_words

from streamwarden_gate.active import ActiveSet
from streamwarden_gate.audits import build_audit
from streamwarden_gate.commands import build_command
from streamwarden_gate.dead_letters import build_dead_letter
from streamwarden_gate.outcome import Author, Findings, NoVerdict, Outcome, Run, Skip
from streamwarden_gate.partitions import Partition
from streamwarden_gate.records import Record, record_size
from streamwarden_gate.refused_events import RefusedEventTally
from streamwarden_gate.rule_errors import RuleErrorTally

if TYPE_CHECKING:
    from streamwarden_gate.active import Target


class Judge:
    """Judges under one active set."""

    def __init__(
        self,
        active: ActiveSet,
        pod: str,
        errors: RuleErrorTally | None = None,
        refused_events: RefusedEventTally | None = None,
    ) -> None:
        """Take the set.

        Args:
            active: the set.
            pod: the gate's.
            errors: counts the rules that err.
            refused_events: counts the events that the agent refuses.
        """
        self._active = active
        self._errors = RuleErrorTally() if errors is None else errors
        self._errors.keep(active.refs)
        self._refused_events = RefusedEventTally() if refused_events is None else refused_events
        self._refused_events.keep(active.binding.decision_topic.topic_id, active.binding.inputs)
        self._author = Author(active.binding, pod)
        typed = {name: target.typed for name, target in active.targets.items() if target.typed is not None}
        self._engine = Engine(active.policies, active.agent_facts, typed)
        self._partitions = active.binding.decision_topic.partitions
        self._requests = active.requests

    def judge(self, record: Record, head: ChainHead, now: datetime) -> Outcome:
        """Return everything that follows from one record.

        Args:
            record: what the agent wrote.
            head: the audit chain of the record's partition, under this set's epochs.
            now: the gate's clock; rules see it.
        """
        findings = Findings()
        try:
            target = self._examine(record, findings)
        except MalformedEventError as error:
            if findings.failure is not None:
                self._refused_events.note(record, findings.failure)
            return self._refuse(record, findings, NoVerdict(error.reason, str(error)), head, now)
        verdict, command = self._verdict(findings, target, now), None
        if verdict.would_deny or verdict.reason is VerdictReason.RULE_ERROR:
            self._errors.note(verdict)
        if verdict.effect is Effect.ALLOW:
            command = build_command(self._author, target, record, findings, verdict, now)
        audit, after = build_audit(self._author, record, findings, verdict, head, now, command)
        return Outcome(verdict, audit, after, command=None if command is None else command.write)

    def refuse(self, record: Record, head: ChainHead, now: datetime, why: str, *, minimal: bool) -> Outcome:
        """Return what follows from a record of which a broker has refused what would follow.

        Args:
            record: what the agent wrote.
            head: the audit chain of the record's partition, under this set's epochs.
            now: the gate's clock.
            why: what the broker said.
            minimal: the audit record alone, with nothing in it that the agent wrote.
        """
        findings, no_verdict = Findings(), NoVerdict(DeadLetterReason.REFUSED_BY_BROKER, why)
        if minimal:
            audit, after = build_audit(self._author, record, findings, no_verdict, head, now)
            return Outcome(no_verdict, audit, after)
        with suppress(MalformedEventError):
            self._examine(record, findings)
        return self._refuse(record, findings, no_verdict, head, now)

    def skip(self, record: Record, skip: Skip, head: ChainHead, now: datetime) -> Outcome:
        """Return what follows from a range that is passed over; ``record`` is where it begins."""
        audit, after = build_audit(self._author, record, Findings(), skip, head, now)
        return Outcome(skip, audit, after)

    def requested(self, partition: Partition, offset: int, now: datetime) -> tuple[Record, Skip] | None:
        """Return where a requested range begins that holds this offset, and what is passed over; None where none does.

        Args:
            partition: it stands at the offset, or before it with no record in between.
            offset: of what would be judged next.
            now: the gate's clock.
        """
        for asked in self._requests:
            if asked.partition == partition.number and asked.from_offset <= offset <= asked.to_offset:
                # What was judged of the range stays judged.
                begin = max(partition.position, asked.from_offset)
                first = Record(None, None, [], partition.number, begin, int(now.timestamp() * 1000))
                why = f"requested by {as_words(asked.requested_by)} (a claim): {as_words(asked.reason)}"
                return first, Skip(asked.to_offset, asked.digest, why, VerdictReason.SKIPPED_ON_REQUEST)
        return None

    def tell_run(self, first: Record, run: Run, head: ChainHead, now: datetime) -> Outcome:
        """Return what follows from a run of records that could not be judged, and of which no copies are kept."""
        audit, after = build_audit(self._author, first, Findings(), run, head, now)
        return Outcome(run, audit, after)

    def _examine(self, record: Record, findings: Findings) -> "Target":
        """Check everything that must hold before rules are asked, and fill in ``findings`` on the way."""
        size = record_size(record)
        if size > MAX_RECORD_BYTES:
            raise _refused(DeadLetterReason.TOO_LARGE, f"{size} bytes; at most {MAX_RECORD_BYTES} are judged")
        event = findings.event = events.decode(record.headers, strict=True)
        if event.type == events.FAILURE_TYPE:
            self._report_failure(record, findings)
        if event.type != events.DECISION_TYPE:
            raise _refused(
                DeadLetterReason.MALFORMED_HEADERS, f"ce_type must be {events.DECISION_TYPE} or {events.FAILURE_TYPE}"
            )
        if record.key is None:
            raise _refused(DeadLetterReason.MISSING_KEY, "the record has no key")
        proposed, plain = decision.decode_decision(_value_of(record))
        findings.decision, findings.plain = proposed, plain
        findings.cause = plain["cause"]  # type: ignore[assignment]  # validated: an object
        if record.key != proposed.entity.encode() or event.subject != proposed.entity:
            raise _refused(DeadLetterReason.ENTITY_MISMATCH, "entity, ce_subject and record key are not the same")
        expected = partition_of(record.key, self._partitions)
        if expected != record.partition:
            raise _refused(DeadLetterReason.WRONG_PARTITION, f"the key belongs to partition {expected}")
        target = self._active.targets.get(proposed.type)
        if target is None:
            raise _refused(DeadLetterReason.UNDECLARED_TYPE, f"the agent may not propose {proposed.type}")
        mismatch = None if target.schema is None else target.schema.mismatch(plain["parameters"])
        if mismatch is not None:
            raise _refused(DeadLetterReason.SCHEMA_MISMATCH, mismatch)
        return target

    def _report_failure(self, record: Record, findings: Findings) -> None:
        failure = findings.failure = decision.decode_failure(_value_of(record))
        findings.cause = failure.cause.model_dump(exclude_none=True)
        times = "once" if failure.attempts == 1 else f"{failure.attempts} times"
        raise _refused(DeadLetterReason.AGENT_FAILURE, f"{failure.stage} failed {times}: {failure.error}")

    def _verdict(self, findings: Findings, target: "Target", now: datetime) -> Verdict:
        proposed, plain = findings.decision, findings.plain
        if proposed is None or plain is None:
            raise ValueError("only a decision is judged")
        if target.fault:
            message = f"the schema of {target.topic} cannot be used: {target.fault}"
            return self._engine.deny(proposed.type, VerdictReason.INVALID_SCHEMA, message)
        return self._engine.judge(proposed.type, plain, now)

    def _refuse(self, record: Record, findings: Findings, why: NoVerdict, head: ChainHead, now: datetime) -> Outcome:
        dead_letter = build_dead_letter(self._author, record, findings, why, now)
        audit, after = build_audit(self._author, record, findings, why, head, now)
        return Outcome(why, audit, after, dead_letter=dead_letter)


def _value_of(record: Record) -> bytes:
    if record.value is None:
        raise _refused(DeadLetterReason.MALFORMED_VALUE, "the record has no value")
    return record.value


def _refused(reason: DeadLetterReason, message: str) -> MalformedEventError:
    return MalformedEventError(reason, message)
