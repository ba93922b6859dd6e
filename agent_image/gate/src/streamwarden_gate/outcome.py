"""What is learnt of a record of the decision topic, and what follows from it, as values. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

from streamwarden_contract import ids
from streamwarden_contract.audit import ChainHead
from streamwarden_contract.canonical import JsonValue
from streamwarden_contract.decision import Decision, Failure
from streamwarden_contract.events import CloudEvent
from streamwarden_contract.policylog import BindingRecord
from streamwarden_contract.reasons import DeadLetterReason, VerdictReason
from streamwarden_contract.verdicts import Unjudged, VerdictWord
from streamwarden_judging.verdicts import Verdict
from streamwarden_kafka.records import Write

from streamwarden_gate.records import Record


@dataclass(frozen=True, slots=True)
class Author:
    """What all outputs of one gate under one binding share."""

    binding: BindingRecord
    pod: str

    @property
    def source(self) -> str:
        """The ``ce_source`` of commands."""
        return f"/streamwarden/{self.binding.namespace}/{self.binding.agent}"

    def command_id(self, record: Record) -> str:
        """Name the command that follows from a record: the same one however often it is judged."""
        return ids.command_id(*self._place_of(record))

    def audit_id(self, record: Record) -> str:
        """Name a record's audit record."""
        return ids.audit_id(*self._place_of(record))

    def dead_letter_id(self, record: Record) -> str:
        """Name a record's dead letter."""
        return ids.dead_letter_id(*self._place_of(record))

    def _place_of(self, record: Record) -> tuple[str, str, int, int]:
        binding = self.binding
        return binding.agent_uid, binding.decision_topic.topic_id, record.partition, record.offset


@dataclass(slots=True)
class Findings:
    """What has been learnt of a record so far; the audit says as much as could be read."""

    event: CloudEvent | None = None
    decision: Decision | None = None
    plain: dict[str, JsonValue] | None = None
    """The decision as plain JSON."""
    cause: dict[str, object] | None = None
    failure: Failure | None = None
    """In place of a decision."""


class NoVerdict(NamedTuple):
    """Why a record could not be judged."""

    reason: DeadLetterReason
    message: str


class Skip(NamedTuple):
    """Why a range of records was passed over."""

    last: int
    """Its last offset."""
    digest: str
    """SHA-256 of the record's value, of the batch that cannot be read, or of the request."""
    message: str
    reason: VerdictReason = VerdictReason.SKIPPED


class Run(NamedTuple):
    """Why a run of records could not be judged, of which no copies are kept."""

    last: int
    """Its last offset."""
    records: int
    digest: str
    """SHA-256 of its records' SHA-256, one after the other; of a single record its own."""
    reason: DeadLetterReason
    """The most frequent one."""
    message: str


Judgement = Verdict | NoVerdict | Skip | Run
"""What was decided, or why nothing could be."""


class Command(NamedTuple):
    """A command, and the id by which audit and executors know it."""

    id: str
    write: Write


class Outcome(NamedTuple):
    """Everything that follows from one record; all of it is written in one transaction, or nothing."""

    judgement: Judgement
    audit: Write
    head: ChainHead
    """The audit chain of the record's partition after it."""
    command: Write | None = None
    """Of an allowed decision only."""
    dead_letter: Write | None = None
    """Of a refused record only, and not of one that is told in a run."""

    @property
    def verdict(self) -> VerdictWord:
        """The one word that the record counts as."""
        return verdict_of(self.judgement)

    @property
    def writes(self) -> tuple[Write, ...]:
        """The one or two records to write."""
        if self.command is not None:
            return self.command, self.audit
        return (self.audit,) if self.dead_letter is None else (self.audit, self.dead_letter)


def verdict_of(judgement: Judgement) -> VerdictWord:
    """Return the verdict's word in the audit."""
    if isinstance(judgement, Verdict):
        return judgement.effect
    return Unjudged.SKIPPED if isinstance(judgement, Skip) else Unjudged.DEAD_LETTER
