"""Runs of records that could not be judged, beyond what is copied to the dead letters. Pure.

A record of a few bytes makes a dead letter and an audit record of some hundred each, on topics that all agents of the
namespace share. So only so many bytes of dead letters are written; what is beyond is counted, digested, and told in one
audit record a run.
"""

from collections import Counter
from hashlib import sha256

from streamwarden_contract.reasons import DeadLetterReason

from streamwarden_gate.allowance import Allowance
from streamwarden_gate.outcome import NoVerdict, Outcome, Run
from streamwarden_gate.records import Record

COPIES_AT_ONCE_BYTES = 4 * 1024 * 1024
"""Some two thousand dead letters of small records: who looks for a fault finds it in fewer."""
COPIES_BYTES_A_S = 64 * 1024


class Copies:
    """How many bytes of dead letters, with their audit records, one gate may write now.

    Inputs that the agent gave up have an allowance of their own: nothing else that it writes uses it up. It says itself
    what is one, so they have no more than that. So have decisions whose command a broker refused:
    they were allowed, and what cannot be read must not take their copies away.
    """

    def __init__(self, failures: Allowance, others: Allowance) -> None:
        self._failures = failures
        self._others = others
        self._refused = Allowance(COPIES_AT_ONCE_BYTES, COPIES_BYTES_A_S)

    def may_copy(self, reason: DeadLetterReason, now_s: float) -> bool:
        """Tell whether one more may be written."""
        return self._of(reason).left(now_s) > 0

    def spend(self, outcome: Outcome) -> None:
        """Count what was written of a record, if it is a dead letter."""
        judgement = outcome.judgement
        if isinstance(judgement, NoVerdict):
            self._of(judgement.reason).spend(sum(len(write.value or b"") for write in outcome.writes))

    def _of(self, reason: DeadLetterReason) -> Allowance:
        if reason is DeadLetterReason.AGENT_FAILURE:
            return self._failures
        return self._refused if reason is DeadLetterReason.REFUSED_BY_BROKER else self._others


class OpenRun:
    """A run of one partition, as long as no other record ends it."""

    def __init__(self, first: Record) -> None:
        self.first = first
        self._last = first.offset
        self._reasons: Counter[DeadLetterReason] = Counter()
        self._first_message = ""
        self._first_digest = ""
        self._digests = sha256()

    def take(self, record: Record, refusal: NoVerdict) -> None:
        """Add the next record, and why it could not be judged."""
        digest = sha256(record.value or b"")
        if not self._reasons:
            self._first_message, self._first_digest = refusal.message, digest.hexdigest()
        self._last = record.offset
        self._reasons[refusal.reason] += 1
        self._digests.update(digest.digest())

    def end(self) -> Run:
        """Return what the audit says of it."""
        count, [(reason, _), *_] = self._reasons.total(), self._reasons.most_common()
        if count == 1:
            message = f"{self._first_message}; too many dead letters: no copy is kept"
            return Run(self._last, count, self._first_digest, reason, message)
        counted = ", ".join(f"{each} {times}" for each, times in self._reasons.most_common())
        message = f"too many dead letters: no copies are kept of {count} records ({counted})"
        return Run(self._last, count, self._digests.hexdigest(), reason, message)
