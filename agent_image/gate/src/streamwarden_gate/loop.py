"""The gate's loop: read decisions, judge them, and commit everything that follows in one transaction.

One thread reads and judges; a transaction goes on beside it, one at a time, and none while the members of the group may
change. A new policy set comes into force between two polls, and its epochs are committed before its first verdict.
Whatever is not certain is read from Kafka again.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from time import time_ns
from typing import TYPE_CHECKING

import structlog
from streamwarden_contract.events import time_of
from streamwarden_kafka.records import Write

from streamwarden_gate.alone import Acts, Alone
from streamwarden_gate.batches import Batch
from streamwarden_gate.careful import Careful
from streamwarden_gate.commits import Absence, Commits, Failing
from streamwarden_gate.errors import AbortedError, FatalError, GateError, IndefiniteError, OutputsRefusedError
from streamwarden_gate.freshness import Staleness
from streamwarden_gate.halts import Halts
from streamwarden_gate.judge import Judge
from streamwarden_gate.open_transactions import OpenTransactions
from streamwarden_gate.pace import DEFAULT_MAX_RATE, Pace
from streamwarden_gate.partitions import Partition, Place, advance_epochs, place_of
from streamwarden_gate.policy_topic import Refusal
from streamwarden_gate.ports import End, Item, Links, Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.records import Record
from streamwarden_gate.refusals import At, Refusals
from streamwarden_gate.refused_events import RefusedEventTally
from streamwarden_gate.reporting import report_failing, report_of, report_stale
from streamwarden_gate.rule_errors import RuleErrorTally
from streamwarden_gate.runs import Copies
from streamwarden_gate.stop import Stop
from streamwarden_gate.stride import BATCHES_A_STEP, LONGEST_S, SETTLE_S, Stride

if TYPE_CHECKING:
    from streamwarden_gate.active import ActiveSet
    from streamwarden_gate.ports import Pending

_log = structlog.get_logger(__name__)

_POLL_S = 0.02
"""Longest wait for a record: also the longest time that a new policy set waits in an idle gate."""
_QUIET_S = 0.1
"""How long nothing must have been judged before positions at ends of partitions are committed."""
_MAX_BATCH_S = 0.05
"""How long one batch is judged, however many records were received: so long a new policy set waits."""
_TARGET_RETRY_S = 5.0


class GateLoop:
    """Judges until it is stopped."""

    def __init__(
        self,
        links: Links,
        *,
        pod: str,
        max_batch: int,
        stop: Stop,
        max_staleness_s: float,
        max_rate: int = DEFAULT_MAX_RATE,
    ) -> None:
        self._membership = links.membership
        self._committer = links.committer
        self._policies = links.policies
        self._reports = links.reports
        self._pod = pod
        self._staleness = Staleness(max_staleness_s, time.monotonic())
        self._stop = stop
        self._active: ActiveSet | None = None
        self._judge: Judge | None = None
        self._rule_errors = RuleErrorTally()
        self._refused_events = RefusedEventTally()
        self._generation = links.membership.generation
        """Of the group, when this was last looked at."""
        self._loaded: dict[int, Partition] = {}
        """Owned, and their committed offsets are known."""
        self._halts = Halts()
        self._open = OpenTransactions(links.membership.high_watermark)
        self._commits, self._absence = Commits(), Absence()
        self._judged_s = 0.0
        self._under_way: tuple[Pending, Mapping[int, Place], Sequence[At]] | None = None
        self._refusals = Refusals(max_batch)
        self._copies = Copies()
        self._pace = Pace(max_rate)
        self._stride = Stride(max_batch * BATCHES_A_STEP)
        self._note, self._before_batch = links.note, links.before_batch
        self._careful = Careful(links.note)
        acts = Acts(self._judge_one, self._commit, self._halt)
        self._alone = Alone(links.membership, self._careful, links.note, acts)

    def run(self) -> None:
        """Judge until the stop event is set.

        Raises:
            FatalError: this process cannot go on.
        """
        self._reports.report(report_of(None, None, ()))
        try:
            while not self._stop.is_set():
                self.step()
            self._commit_last()
        finally:
            self._membership.close()
        self._committer.close()

    def step(self) -> None:
        """Do what there is to do, once.

        Raises:
            FatalError: this process cannot go on.
        """
        try:
            self._follow_policies()
            self._committer.open()
            self._load()
            self._commit_epochs()
            if self._judge is not None and self._alone.pass_over_requested(self._loaded, self._judge, _now()):
                self._fetch()
            self._report()
            self._before_batch()
            if self._careful.active:
                self._step_alone()
            else:
                self._step_batches()
        except AbortedError as error:
            _log.warning("transaction aborted; going back to the last commit", error=str(error))
            self._rewind()
            self._back_off(error)
        except OutputsRefusedError:
            self._rewind()
        except IndefiniteError as error:
            _log.warning("outcome unknown; starting over from the committed offsets", error=str(error))
            self._unload()
            self._copies.forget()
            self._back_off(error)
        self._reports.serve()
        if not self._policies.alive:
            raise FatalError("the policy feed ended")

    def _step_batches(self) -> None:
        items = self._receive()
        self._judge_all(items)
        self._finish()
        if not items:
            self._commit_ends()

    def _follow_policies(self) -> None:
        """Take over the feed's set; none, where it may be outdated. What was halted may be judged under a newer one."""
        # In this order: what is proven is in the view that is read after it.
        stale = self._staleness.look(self._policies.proven_at_s, time.monotonic())
        active = None if stale else self._policies.view.active
        if active is self._active:
            return
        if active is None or active.is_of_another_topic(self._active):
            self._unload()
            self._halts.clear()
        self._active = active
        self._judge = None if active is None else Judge(active, self._pod, self._rule_errors, self._refused_events)
        if active is None:
            self._report()  # that nothing is in force needs no commit: none can be made while Kafka is away
        else:
            self._halts.lift(lambda number, why: why is RefusalReason.ROLLED_BACK or active.may_skip(number))

    def _is_unproven(self) -> bool:
        return self._staleness.is_unproven(self._policies.proven_at_s, time.monotonic())

    def _load(self) -> None:
        """Read the committed offsets of the partitions that are owned and not known yet, and start fetching them."""
        self._follow_group()
        self._halts.lift_elapsed(time.monotonic())
        missing = self._membership.owned.difference(self._loaded, self._halts.partitions)
        if self._active is None or not missing:
            return
        for found in self._membership.committed(missing):
            place = place_of(found.partition, found.offset, found.metadata, self._active)
            if isinstance(place, Place):
                self._loaded[found.partition] = Partition(found.partition, place)
                if place.head.tries:
                    self._careful.begin()
            else:
                self._halt(found.partition, place)
        self._fetch()

    def _follow_group(self) -> None:
        """Forget what was known of partitions that have changed hands."""
        generation = self._membership.generation
        if generation == self._generation:
            return
        self._generation = generation
        self._loaded.clear()
        self._halts.clear()
        self._refusals.forget()
        self._careful.forget()
        _log.info("partitions assigned", partitions=sorted(self._membership.owned))

    def _fetch(self) -> None:
        """Fetch from where each partition stands; nothing where records are read one by one, or none may be taken."""
        self._open.refetch()
        wanted = () if self._careful.active or self._pace.resting else self._loaded.values()
        self._membership.fetch_from({entry.number: entry.position for entry in wanted})

    def _halt(self, number: int, refusal: Refusal, for_s: float = math.inf) -> None:
        """Judge no more of a partition: for a while, or until the group or the policies change."""
        _log.error("decision partition is not judged", reason=refusal.reason, detail=refusal.message)
        self._halts.add(number, refusal, time.monotonic() + for_s)
        self._loaded.pop(number, None)

    def _rewind(self) -> None:
        self._follow_group()  # the abort may come of a member that was replaced: nothing is ours now
        self._copies.aborted()
        for partition in self._loaded.values():
            partition.rewind()
        self._fetch()

    def _unload(self) -> None:
        """Forget everything about the owned partitions and fetch nothing until it is known again."""
        self._loaded.clear()
        self._membership.fetch_from({})

    def _back_off(self, error: GateError) -> None:
        """Wait before the next attempt, longer each time; the group's heartbeats go on by themselves."""
        if self._commits.failed(time.monotonic(), _now(), str(error)):
            self._report()  # claims no epoch
        self._stop.wait(self._commits.pause_s)

    def _receive(self) -> Sequence[Record | End]:
        """Wait for a record, then take what is there and may be judged: batches grow with the backlog.

        What may not be judged yet is not taken: the client's own queue fills, and then it fetches no more.
        """
        self._committer.settle()
        was_resting = self._pace.resting
        self._stop.wait(self._pace.rest(time.monotonic()))
        if self._pace.resting != was_resting:
            self._fetch()
        most = min(self._pace.may_take(time.monotonic()), self._stride.records)
        items = self._membership.receive(most, _POLL_S)
        self._pace.took(sum(isinstance(item, Record) for item in items))
        self._open.take(items, drained=len(items) < most)
        self._follow_group()
        readable = [item for item in items if not isinstance(item, Unreadable)]
        if len(readable) < len(items):
            self._halt_unreadable(items)
        return readable

    def _halt_unreadable(self, items: Sequence[Item]) -> None:
        """Halt what cannot be read on before anything is judged: its outputs would be written without their place.

        A batch that cannot be decoded is looked for record by record, to be skipped.
        """
        for item in items:
            if isinstance(item, Unreadable) and item.partition in self._loaded:
                if item.reason is RefusalReason.UNREADABLE_PARTITION:
                    self._careful.begin()
                else:
                    self._halt(item.partition, Refusal(item.reason, item.message))
        self._fetch()

    def _judge_all(self, items: Sequence[Record | End]) -> None:
        """Judge what was received; what is left when the policies change, or when it takes long, is read again."""
        begin, began_s = 0, time.monotonic()
        while begin < len(items) and self._judge is not None:
            now_s = time.monotonic()
            spent = now_s - began_s >= LONGEST_S or self._pace.is_spent(now_s)
            if self._are_superseded() or (begin and spent):
                self._finish()
                self._fetch()
                break
            begin = self._judge_batch(items, begin, self._judge)
        self._stride.judged(begin, time.monotonic() - began_s)

    def _are_superseded(self) -> bool:
        """Tell whether the policies that would judge are the newest no more, or nothing proves that they are."""
        self._policies.settle(SETTLE_S)
        return self._policies.view.active is not self._active or self._is_unproven()

    def _judge_batch(self, items: Sequence[Record | End], begin: int, judge: Judge) -> int:
        """Judge as much as one transaction may hold, begin to commit what follows, and return where to go on."""
        batch = Batch(judge, self._loaded, self._refusals, self._note, self._copies, self._alone.pass_over)
        self._before_batch()
        end, until_s = begin, time.monotonic() + _MAX_BATCH_S
        while end < len(items) and batch.has_room_for(items[end]):
            batch.take(items[end], _now())
            end += 1
            if time.monotonic() >= until_s:
                break
        batch.end(_now())
        self._pace.wrote(batch.writes)
        if batch.judged:
            self._begin(batch.writes, batch.judged)
            self._judged_s = time.monotonic()
        return end

    def _step_alone(self) -> None:
        """Read one batch, and judge it record by record: of what the process dies now, that is known."""
        self._committer.settle()
        self._stop.wait(self._pace.rest(time.monotonic()))
        self._membership.receive(1, _POLL_S)  # what the group wants; nothing is fetched
        self._follow_group()
        if self._judge is not None and self._loaded and not self._alone.step(self._loaded, self._judge):
            self._fetch()

    def _judge_one(self, record: Record, judge: Judge) -> bool:
        if self._are_superseded() or self._pace.seconds_until_next(time.monotonic()) > 0:
            return False
        self._pace.took(1)
        self._judge_batch([record], 0, judge)
        self._finish()
        return True

    def _commit_ends(self) -> None:
        """Commit ends of partitions once it is quiet: each is a transaction that a decision would wait for."""
        if time.monotonic() - self._judged_s >= _QUIET_S:
            self._commit()

    def _commit_last(self) -> None:
        """Commit the ends that still wait for a quiet while: a gate that was told to stop leaves no lag behind."""
        try:
            self._commit()
        except GateError as error:
            _log.warning("the last positions were not committed", error=str(error))

    def _commit_epochs(self) -> None:
        """Commit the set's epochs where they are new. What else has moved waits for outputs, or until it is quiet."""
        if self._active is not None and advance_epochs(self._loaded.values(), self._active):
            self._commit()

    def _commit(self, writes: Sequence[Write] = (), judged: Sequence[At] = ()) -> None:
        """Commit the place of every partition that has moved, and wait for it."""
        self._begin(writes, judged)
        self._finish()

    def _begin(self, writes: Sequence[Write], judged: Sequence[At]) -> None:
        """Commit the writes and the place of every partition that has moved, while the next batch is being judged."""
        self._finish()
        probe = self._commits.failing(time.monotonic()) is not None  # else it is told until there is a decision
        if places := {each.number: each.place for each in self._loaded.values() if each.changed or probe}:
            self._under_way = self._committer.begin(writes, places), places, judged

    def _finish(self) -> None:
        """Wait for the transaction that is under way, if any. None is when the consumer is polled."""
        if self._under_way is None:
            return
        (transaction, places, judged), self._under_way = self._under_way, None
        try:
            transaction.finish()
        except OutputsRefusedError as error:
            self._take_refusal(error, judged)
            raise
        for number, place in places.items():
            if partition := self._loaded.get(number):
                if place.position > partition.committed.position:
                    self._halts.recovered(number)
                partition.commit(place)
        self._refusals.committed(judged)
        self._copies.committed(judged)
        self._commits.succeeded()

    def _take_refusal(self, error: OutputsRefusedError, judged: Sequence[At]) -> None:
        """Find out of which record it was, by smaller transactions; halt the partition where its target is refused."""
        if not judged:
            raise AbortedError(str(error)) from error
        halted = self._refusals.refused(judged, str(error), for_itself=error.for_itself)
        _log.warning("a transaction was refused", error=str(error), records=len(judged), next=self._refusals.limit)
        if halted is not None:
            refusal = Refusal(RefusalReason.TARGET_REFUSED, f"decision partition {halted}: {error}")
            self._halt(halted, refusal, _TARGET_RETRY_S)

    def _failing(self) -> Failing | None:
        absent = self._absence.look(self._membership.absence, time.monotonic(), _now())
        return self._commits.failing(time.monotonic()) or (absent if self._active is not None else None)

    def _report(self) -> None:
        """Say what is in force: only called once its epochs are committed."""
        view = self._policies.view
        if self._staleness.is_told and view.active is not None:
            report = report_stale(self._staleness.most_s)
        elif failing := self._failing():
            report = report_failing(failing)
        else:
            waiting = self._open.observe(self._loaded, time.monotonic())
            report = report_of(self._active, view.problem, self._halts.refusals, waiting, self._alone.skipped)
            self._rule_errors.forget(time.monotonic(), time_ns() // 1_000_000)
            report = replace(report, rule_errors=self._rule_errors.told)
        self._reports.report(replace(report, refused_events=self._refused_events.told))


def _now() -> datetime:
    """In whole milliseconds, as brokers stamp: what is judged within one shares what is written of it."""
    return time_of(time_ns() // 1_000_000)
