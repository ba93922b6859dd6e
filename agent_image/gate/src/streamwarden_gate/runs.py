"""Runs of records that could not be judged, beyond what is copied to the dead letters. Pure.

A record of a few bytes makes a dead letter and an audit record of some hundred each, on topics that all agents of the
namespace share. So only so many bytes of dead letters are written; what is beyond is counted, digested, and told in one
audit record a run.
"""

from collections import Counter
from hashlib import sha256

from streamwarden_contract.reasons import DeadLetterReason

from streamwarden_gate.outcome import NoVerdict, Outcome, Run
from streamwarden_gate.records import Record

_ALWAYS_COPIED = frozenset({DeadLetterReason.AGENT_FAILURE, DeadLetterReason.REFUSED_BY_BROKER})
"""What could be read well: an input that the agent gave up, a decision that was allowed."""


def uncopied_refusal(outcome: Outcome) -> NoVerdict | None:
    """Return why there was nothing to judge, where it is enough that the audit says so; else None."""
    judgement = outcome.judgement
    return judgement if isinstance(judgement, NoVerdict) and judgement.reason not in _ALWAYS_COPIED else None


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
