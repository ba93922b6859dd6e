"""Whether every decision that a gate has committed has exactly one audit record, with the digest of its value."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from streamwarden_contract.audit_faults import MOST_TOLD, AuditFaultKind, Faults, Place

_MOST_DOUBTED = 1_000
"""Accusations that a record which comes later may disprove: one that gives too high an offset comes before others."""


class JudgedDecision(NamedTuple):
    """What an audit record says of the decision that it is about."""

    offset: int
    digest: bytes
    """SHA-256 of the judged value."""
    last: int = -1
    """Of a range its last offset, whatever its records hold; -1: one decision was judged."""


class Coverage:
    """Compares one partition of a decision topic with its chain: both in order, record by record."""

    def __init__(
        self,
        topic: str,
        partition: int,
        *,
        low: int,
        end: int,
        judged: Iterator[JudgedDecision],
        has_record: Callable[[int], bool] = lambda _offset: True,
    ) -> None:
        """Prepare.

        Args:
            topic: the decision topic.
            partition: its partition.
            low: the first offset that it still holds.
            end: the offset that the gate had committed; what is judged later is left alone.
            judged: what the chain says, by growing offset.
            has_record: tells whether the log has a committed record at an offset that a record gives; it is asked
                before a gate is accused.
        """
        self.compared = 0
        """Decisions that have their audit record."""
        self.deleted = 0
        """Audited decisions that retention has deleted."""
        self.in_ranges = 0
        """Decisions that were skipped, or are told in a run of dead letters."""
        self.untrue = 0
        """Records with an offset that is not theirs, or that another gave before: nobody can tell whose it is."""
        self.first_untrue = -1
        """The offset that the first of them gives."""
        self.faults = Faults()
        self._place = (topic, partition)
        self._low, self._end = low, end
        self._judged = judged
        self._has_record = has_record
        self._next = next(judged, None)
        self.start = end if self._next is None else max(low, self._next.offset)
        """Where to read from: the first audited decision, or the first that is left."""
        self._newest = -1
        self._doubted: dict[int, tuple[AuditFaultKind, bytes]] = {}
        """By offset, what was judged there and not found: the accusation, and the digest that disproves it."""

    def take(self, offset: int, digest: bytes) -> None:
        """Take the next committed data record of the partition."""
        if not self.start <= offset < self._end:
            return
        self._pass_over(offset)
        judged = self._next
        if judged is not None and judged.offset <= offset <= judged.last:
            self.in_ranges += 1
            self._newest = max(self._newest, offset)
            return
        if offset <= self._newest:
            if not self._disproves(offset, digest):
                self._note_untrue(offset)
            return
        if judged is None or judged.offset != offset:
            if self.faults.count < MOST_TOLD and not self._has_record(offset):
                self._note_untrue(offset)
                return
            self._newest = offset
            self._fault(AuditFaultKind.NOT_AUDITED, offset, "the gate has committed it, and no audit record names it")
            return
        self._newest = offset
        if judged.digest == digest:
            self.compared += 1
        else:
            self._doubt(AuditFaultKind.ALTERED, judged, "its value has another digest than the one that was judged")
        self._next = next(self._judged, None)

    def finish(self) -> None:
        """Say that the partition has been read to its end."""
        self._pass_over(self._end)

    def _pass_over(self, offset: int) -> None:
        """Drop what was judged before this offset: no record of the partition was it."""
        while self._next is not None and max(self._next.offset, self._next.last) < offset:
            if self._next.last >= 0:
                pass  # a range: what it held may have been deleted, or read by nobody
            elif self._next.offset < self._low:
                self.deleted += 1
            else:
                self._doubt(AuditFaultKind.NO_DECISION, self._next, "an audit record names it, and it is not here")
            self._next = next(self._judged, None)

    def _doubt(self, kind: AuditFaultKind, judged: JudgedDecision, message: str) -> None:
        self._fault(kind, judged.offset, message)
        self._doubted[judged.offset] = kind, judged.digest
        if len(self._doubted) > _MOST_DOUBTED:
            del self._doubted[next(iter(self._doubted))]

    def _disproves(self, offset: int, digest: bytes) -> bool:
        """Take a record behind one that gave too high an offset, if it is what was judged: no gate is to blame."""
        kind, judged = self._doubted.get(offset, (None, b""))
        if kind is None or digest != judged:
            return False
        del self._doubted[offset]
        self.faults.take_back(kind, Place(*self._place, offset))
        self.compared += 1
        if kind is AuditFaultKind.ALTERED:
            self._note_untrue(offset)  # what came first
        return True

    def _note_untrue(self, offset: int) -> None:
        """Count a record whose batch gives it, or one before it, another offset than it has: no gate is to blame."""
        self.first_untrue = offset if self.untrue == 0 else self.first_untrue
        self.untrue += 1

    def _fault(self, kind: AuditFaultKind, offset: int, message: str) -> None:
        self.faults.add(kind, Place(*self._place, offset), message)
