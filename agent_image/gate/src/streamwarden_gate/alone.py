"""Reads and judges record by record, and passes over what no process can take."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog
from streamwarden_contract.ids import sha256_hex
from streamwarden_kafka.deaths import MOST_DEATHS, MOST_SKIPPED
from streamwarden_kafka.records import Write

from streamwarden_gate.careful import Careful
from streamwarden_gate.errors import AbortedError, PutOffError
from streamwarden_gate.judge import Judge
from streamwarden_gate.note import Doing, Note
from streamwarden_gate.outcome import Outcome, Skip
from streamwarden_gate.partitions import Partition
from streamwarden_gate.policy_topic import Refusal
from streamwarden_gate.ports import End, Item, Membership, Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.records import Record
from streamwarden_gate.refusals import At

_log = structlog.get_logger(__name__)

_TRY_AGAIN_S = 60.0


class Commit(Protocol):
    """Commits all places, and what follows from some records."""

    def __call__(self, writes: Sequence[Write] = (), judged: Sequence[At] = (), /) -> None:
        """Commit, and wait for it."""


@dataclass(frozen=True, slots=True)
class Acts:
    """What the loop does for it."""

    judge: Callable[[Record, Judge], bool]
    """Judge a record and commit what follows; False where it may not be judged now, and is to be read again."""
    commit: Commit
    halt: Callable[[int, Refusal, float], None]
    """Judge no more of a partition, for so many seconds or until something changes."""


class Alone:
    """Steps through partitions, a batch at a time, while records are under suspicion."""

    def __init__(self, membership: Membership, careful: Careful, note: Note, acts: Acts) -> None:
        self.skipped = ""
        """Which records were passed over last, in words."""
        self._membership = membership
        self._careful = careful
        self._note = note
        self._acts = acts

    def step(self, loaded: Mapping[int, Partition], judge: Judge) -> bool:
        """Read one batch and judge its records, each in a transaction of its own; return whether to go on like this."""
        partition = self._careful.choose(loaded.values(), time.monotonic())
        if partition is None:
            self._careful.end()
            return False
        with suppress(PutOffError):  # it is looked for from there on in its next turn: nothing has failed
            self._step(partition, loaded, judge)
        return self._careful.active

    def _step(self, partition: Partition, loaded: Mapping[int, Partition], judge: Judge) -> None:
        if self._may_read(partition, judge):
            for item in self._read(partition):
                if partition.number not in loaded or not self._take(partition, judge, item):
                    break  # it was halted; or what comes behind a record that is not judged would hide it

    def _may_read(self, partition: Partition, judge: Judge) -> bool:
        """Count the try of a process that died here; after too many of them the batch is skipped unread."""
        if self._careful.died_reading(partition):
            self._count_try(partition)
        tries = partition.head.tries
        if tries >= MOST_DEATHS and self._careful.cannot_read(partition):
            self._skip_batch(partition, judge, f"{tries} processes died of reading it")
            return False
        if tries >= MOST_DEATHS and not self._note.may_skip(time.time()):
            self._halt_skipping(partition.number, partition.position, partition.position)
            return False  # this process would die of it for nothing
        return True

    def _read(self, partition: Partition) -> list[Item]:
        number, position = partition.number, partition.position
        singly = self._careful.died_behind(partition)

        def reading(offset: int) -> bool:
            self._note.take(Doing.READING, number, offset)
            return singly and offset > position

        try:
            items = self._membership.receive_alone(number, position, reading)
        except AbortedError:
            self._note.drop()  # it waits for a broker: if it is ended meanwhile, no record was the cause
            raise
        self._note.drop()
        return list(items)

    def _take(self, partition: Partition, judge: Judge, item: Item) -> bool:
        """Do what follows from an item; return whether that is done, so that the next one may be taken."""
        if isinstance(item, Record):
            return self._take_record(partition, judge, item)
        if isinstance(item, End):
            partition.reach(item.offset)
            self._careful.reached_end(partition.number)
            self._acts.commit()
        elif item.reason is RefusalReason.UNREADABLE_PARTITION:
            self._skip_batch(partition, judge, item.message)
        else:
            self._halt(item)
        return True

    def _halt(self, item: Unreadable) -> None:
        self._acts.halt(item.partition, Refusal(item.reason, item.message), math.inf)

    def _take_record(self, partition: Partition, judge: Judge, record: Record) -> bool:
        if record.offset < partition.position:
            return True
        if self._careful.died_judging(record.partition, record.offset):
            self._count_try(partition)
        tries = partition.head.tries
        if tries < MOST_DEATHS:
            return self._acts.judge(record, judge)
        digest = sha256_hex(record.value or b"")
        self._skip(partition, judge, record, Skip(record.offset, digest, f"{tries} processes died of it"))
        return True

    def _count_try(self, partition: Partition) -> None:
        """Commit that a process died of what is next, before it is tried again."""
        partition.count_try()
        self._acts.commit()
        self._careful.counted()

    def _skip_batch(self, partition: Partition, judge: Judge, why: str) -> None:
        batch = self._membership.batch_at(partition.number, partition.position)
        first = max(batch.first, partition.position)
        record = Record(None, None, [], partition.number, first, batch.timestamp_ms)
        self._skip(partition, judge, record, Skip(batch.last, batch.sha256, why))

    def pass_over_requested(self, loaded: Mapping[int, Partition], judge: Judge, now: datetime) -> bool:
        """Pass over the requested ranges that partitions stand in; return whether any did."""
        passed = False
        for partition in loaded.values():
            at = partition.position
            if (asked := judge.requested(partition, at, now)) is not None:
                self._commit_skip(self.pass_over(partition, judge, *asked, now), (partition.number, at))
                passed = True
        return passed

    def pass_over(self, partition: Partition, judge: Judge, first: Record, skip: Skip, now: datetime) -> Outcome:
        """Move a partition over a range, and return what follows from that.

        It is told before it is committed: after an abort it is done again at once.
        """
        outcome = judge.skip(first, skip, partition.head, now)
        partition.head, partition.position = outcome.head, skip.last + 1
        what = _range(first.offset, skip.last)
        self.skipped = f"decision partition {partition.number}: {what} skipped: {skip.message}; the audit has the range"
        _log.error("records skipped", partition=partition.number, first=first.offset, last=skip.last, why=skip.message)
        return outcome

    def _skip(self, partition: Partition, judge: Judge, first: Record, skip: Skip) -> None:
        """Pass over a range, unless there were too many of them: what was requested counts for none."""
        now, at = datetime.now(UTC), (partition.number, first.offset)
        if (asked := judge.requested(partition, first.offset, now)) is not None:
            self._commit_skip(self.pass_over(partition, judge, *asked, now), at)
        elif self._note.may_skip(time.time()):
            self._commit_skip(self.pass_over(partition, judge, first, skip, now), at)
            self._note.skipped(time.time())
        else:
            self._halt_skipping(partition.number, first.offset, skip.last)
            return
        self._careful.end()

    def _commit_skip(self, outcome: Outcome, first: At) -> None:
        self._acts.commit(outcome.writes, [first])

    def _halt_skipping(self, number: int, first: int, last: int) -> None:
        told = (
            f"decision partition {number}: {_range(first, last)} would be skipped, and {MOST_SKIPPED} ranges were "
            "within an hour"
        )
        self._acts.halt(number, Refusal(RefusalReason.TOO_MANY_SKIPS, told), _TRY_AGAIN_S)
        self._careful.end()  # what was looked for is found: the other partitions are read as usual again


def _range(first: int, last: int) -> str:
    return f"offsets {first} to {last}" if last > first else f"offset {first}"
