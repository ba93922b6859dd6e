"""Runs of records that could not be judged, beyond what is copied to the dead letters. Pure.

A record of a few bytes makes a dead letter and an audit record of some hundred each, on topics that all agents of the
namespace share. So only so many bytes of dead letters are written; what is beyond is counted, digested, and told in one
audit record a run.
"""

from collections import Counter
from collections.abc import Iterable
from hashlib import sha256

from streamwarden_contract.reasons import DeadLetterReason

from streamwarden_gate.allowance import Allowance
from streamwarden_gate.outcome import NoVerdict, Outcome, Run
from streamwarden_gate.records import Record
from streamwarden_gate.refusals import At

AT_ONCE_BYTES = 4 * 1024 * 1024
"""Some two thousand dead letters of small records: who looks for a fault finds it in fewer."""
_BYTES_A_S = 64 * 1024


class Copies:
    """How many bytes of dead letters, with their audit records, one gate may write now.

    Inputs that the agent gave up have an allowance of their own: nothing else that it writes uses it up. It says itself
    what is one, so they have no more than that. So have decisions whose command a broker refused:
    they were allowed, and what cannot be read must not take their copies away.

    It is spent when a record is judged, as the next batch is judged while a transaction is under way. What was not
    written after all is given back: else a transaction that is refused in halves would use it up without a letter.
    """

    def __init__(
        self,
        *,
        failures: Allowance | None = None,
        refused: Allowance | None = None,
        others: Allowance | None = None,
    ) -> None:
        """Begin with nothing spent; None is what a gate has of each.

        Args:
            failures: for inputs that the agent gave up.
            refused: for decisions whose outputs a broker refused.
            others: for all else.
        """
        self._failures = failures or _allowance()
        self._refused = refused or _allowance()
        self._others = others or _allowance()
        self._open: dict[At, tuple[Allowance, int]] = {}
        """What was spent of records whose transaction has not ended."""

    def may_copy(self, reason: DeadLetterReason, now_s: float) -> bool:
        """Tell whether one more may be written."""
        return self._of(reason).left(now_s) > 0

    def spend(self, at: At, outcome: Outcome) -> None:
        """Count what is to be written of a record, if it is a dead letter."""
        judgement = outcome.judgement
        if isinstance(judgement, NoVerdict):
            allowance, amount = self._of(judgement.reason), sum(len(write.value or b"") for write in outcome.writes)
            allowance.spend(amount)
            self._open[at] = allowance, amount

    def committed(self, records: Iterable[At]) -> None:
        """Take note of a transaction that was committed."""
        for at in records:
            self._open.pop(at, None)

    def aborted(self) -> None:
        """Give back what was spent and not committed: all of it is judged again."""
        for allowance, amount in self._open.values():
            allowance.give_back(amount)
        self._open.clear()

    def forget(self) -> None:
        """Keep as spent what is not known to be committed: it may have been written."""
        self._open.clear()

    def _of(self, reason: DeadLetterReason) -> Allowance:
        if reason is DeadLetterReason.AGENT_FAILURE:
            return self._failures
        return self._refused if reason is DeadLetterReason.REFUSED_BY_BROKER else self._others


def _allowance() -> Allowance:
    return Allowance(AT_ONCE_BYTES, _BYTES_A_S)


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
