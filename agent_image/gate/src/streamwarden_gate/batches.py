"""One batch: what is judged together, and all that follows from it in one transaction. No I/O, and no clock."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from streamwarden_contract.audit import ChainHead

from streamwarden_gate.judge import Judge
from streamwarden_gate.note import Doing, Note
from streamwarden_gate.outcome import NoVerdict, Outcome, Skip
from streamwarden_gate.partitions import Partition
from streamwarden_gate.ports import End
from streamwarden_gate.records import Record, record_size
from streamwarden_gate.refusals import At, Refusals, Stage
from streamwarden_gate.runs import Copies, OpenRun

if TYPE_CHECKING:
    from streamwarden_kafka.records import Write

_MAX_BYTES = 4 * 1024 * 1024


class Batch:
    """Judges records one by one, and moves the positions and chains of their partitions along."""

    def __init__(
        self,
        judge: Judge,
        loaded: Mapping[int, Partition],
        refusals: Refusals,
        note: Note,
        copies: Copies,
        pass_over: Callable[[Partition, Judge, Record, Skip, datetime], Outcome],
    ) -> None:
        """Begin with nothing.

        Args:
            judge: of the policies in force.
            loaded: the partitions that may be judged, and where they stand.
            refusals: what brokers have refused.
            note: says which record is in hand.
            copies: what is left for dead letters.
            pass_over: moves a partition over a range that people have asked to skip.
        """
        self.writes: list[Write] = []
        self.judged: list[At] = []
        self._judge = judge
        self._loaded = loaded
        self._refusals = refusals
        self._note = note
        self._copies = copies
        self._pass_over = pass_over
        self._size = 0
        self._runs: dict[int, OpenRun] = {}

    def has_room_for(self, item: Record | End) -> bool:
        """Tell whether it fits into the same transaction; the first record always does."""
        if not self.judged:
            return True
        size = record_size(item) if isinstance(item, Record) else 0
        return len(self.judged) < self._refusals.limit and self._size + size <= _MAX_BYTES

    def take(self, item: Record | End, now: datetime) -> None:
        """Judge a record, unless that was done already, or go on to an end."""
        partition = self._loaded.get(item.partition)
        if partition is None:
            return  # taken away between the poll and now, or halted
        if isinstance(item, End):
            # Positions count transaction markers too: without this an idle gate would show lag for ever.
            self._end_run(partition, now)
            partition.reach(item.offset)
        elif item.offset >= partition.position:  # else it was judged already
            self.judged.append((item.partition, item.offset))
            if (asked := self._judge.requested(partition, item.offset, now)) is not None:
                self._end_run(partition, now)
                self.writes += self._pass_over(partition, self._judge, *asked, now).writes
                return
            self._note.take(Doing.JUDGING, item.partition, item.offset)
            self._size += record_size(item)
            self._take_record(item, partition, now)

    def end(self, now: datetime) -> None:
        """Say that nothing more is taken."""
        for number in list(self._runs):
            self._end_run(self._loaded[number], now)
        self._note.drop()

    def _take_record(self, record: Record, partition: Partition, now: datetime) -> None:
        run = self._runs.get(partition.number)
        # What would be told of the run if it ended here: the record's own audit record then comes behind it.
        told = None if run is None else self._judge.tell_run(run.first, run.end(), partition.head, now)
        outcome = self._outcome_of(record, partition.head if told is None else told.head, now)
        judgement = outcome.judgement
        if isinstance(judgement, NoVerdict) and not self._copies.may_copy(judgement.reason, now.timestamp()):
            self._runs.setdefault(partition.number, OpenRun(record)).take(record, judgement)
        else:
            self._end_run(partition, now)
            self._keep(outcome, partition)
            self._copies.spend((record.partition, record.offset), outcome)
        partition.position = record.offset + 1

    def _outcome_of(self, record: Record, head: ChainHead, now: datetime) -> Outcome:
        refused = self._refusals.stage((record.partition, record.offset))
        if refused is None:
            return self._judge.judge(record, head, now)
        return self._judge.refuse(record, head, now, refused[1], minimal=refused[0] is Stage.MINIMAL)

    def _end_run(self, partition: Partition, now: datetime) -> None:
        """Write down the partition's run, if there is one."""
        run = self._runs.pop(partition.number, None)
        if run is not None:
            self._keep(self._judge.tell_run(run.first, run.end(), partition.head, now), partition)

    def _keep(self, outcome: Outcome, partition: Partition) -> None:
        self.writes += outcome.writes
        partition.head = outcome.head
