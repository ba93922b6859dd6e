"""The gate's loop: read decisions, judge them, and commit everything that follows in one transaction.

One thread owns the consumer and judges; another one runs the transactions, one at a time, and none while the consumer
is polled. A new policy set comes into force between two polls, and its epochs are committed before its first verdict.
Whatever is not certain is read from Kafka again.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from streamwarden_kafka.codes import END_OF_PARTITION, OFFSETS_GONE, UNDECODABLE, error_of
from streamwarden_kafka.records import headers_of

from streamwarden_gate.acks import Acks, Report
from streamwarden_gate.errors import AbortedError, FatalError, IndefiniteError
from streamwarden_gate.feed import PolicyFeed
from streamwarden_gate.judge import Judge
from streamwarden_gate.kafka import decision_consumer
from streamwarden_gate.outputs import Record, Write, record_size
from streamwarden_gate.partitions import Partition, Place, advance_epochs, place_of
from streamwarden_gate.policy_topic import Refusal
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.settings import Settings
from streamwarden_gate.transactions import Transactions

if TYPE_CHECKING:
    from streamwarden_gate.active import ActiveSet

_log = structlog.get_logger(__name__)

_POLL_S = 0.02
"""Longest wait for a record: also the longest time that a new policy set waits in an idle gate."""
_COMMITTED_TIMEOUT_S = 10.0
_MOST_UNANSWERED = 2
"""Requests for committed offsets in a row without an answer before the consumer is replaced."""
_QUIET_S = 0.1
"""How long nothing must have been judged before positions at ends of partitions are committed."""
_BATCHES_A_STEP = 3
"""Under backlog: while one is being committed, the next is judged."""
_MAX_BATCH_BYTES = 4 * 1024 * 1024
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.02, 2.0


Item = Record | tuple[int, int]
"""A record, or partition and offset of an end of partition."""


class GateLoop:
    """Judges until it is stopped."""

    def __init__(self, settings: Settings, feed: PolicyFeed, acks: Acks, stop: threading.Event) -> None:
        names = settings.identity.names
        self._settings = settings
        self._feed = feed
        self._acks = acks
        self._stop = stop
        self._topic = names.decisions
        self._transactions = Transactions(settings.kafka, names.gate_transactional_id(settings.identity.pod))
        self._consumer: Consumer = decision_consumer(settings.kafka, names.gate_group)
        self._active: ActiveSet | None = None
        self._judge: Judge | None = None
        self._owned: set[int] = set()
        """What the group gave this gate."""
        self._loaded: dict[int, Partition] = {}
        """Owned, and their committed offsets are known."""
        self._halted: dict[int, Refusal] = {}
        """Owned, and must not be judged."""
        self._failures = 0
        self._judged_s = 0.0
        self._unanswered = 0
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="transactions")
        self._under_way: tuple[Future[None], list[tuple[Partition, Place]]] | None = None
        self._fatal: KafkaError | None = None

    def run(self) -> None:
        """Judge until the stop event is set.

        Raises:
            FatalError: this process cannot go on.
        """
        self._acks.report(Report("Starting"))
        self._join()
        try:
            while not self._stop.is_set():
                self._step()
        finally:
            self._consumer.close()
        self._transactions.close()

    def _step(self) -> None:
        try:
            self._transactions.open()
            self._follow_policies()
            self._load()
            self._commit_epochs()
            self._report()
            items = self._receive()
            for batch in _batches(items, self._settings.max_batch):
                self._judge_batch(batch)
            self._finish()
            if not items:
                self._commit_ends()
        except AbortedError as error:
            _log.warning("transaction aborted; going back to the last commit", error=str(error))
            self._rewind()
            self._back_off()
        except IndefiniteError as error:
            _log.warning("outcome unknown; starting over from the committed offsets", error=str(error))
            self._transactions.discard()
            self._unload()
            self._back_off()
        self._acks.serve()
        if self._fatal is not None:
            raise FatalError(f"the consumer of {self._topic} failed: {self._fatal.name()}")
        if not self._feed.alive:
            raise FatalError("the policy feed ended")

    def _follow_policies(self) -> None:
        """Take over the feed's set. What was halted may be judged under a newer one."""
        active = self._feed.view.active
        if active is self._active:
            return
        self._active = active
        self._judge = None if active is None else Judge(active, self._settings.identity.pod)
        self._halted = {
            number: refusal
            for number, refusal in self._halted.items()
            if active is not None and refusal.reason is not RefusalReason.ROLLED_BACK
        }
        if active is None:
            self._unload()

    def _load(self) -> None:
        """Read the committed offsets of the partitions that are owned and not known yet, and start fetching them."""
        missing = self._owned - self._loaded.keys() - self._halted.keys()
        if self._active is None or not missing:
            return
        try:
            found = self._consumer.committed(
                [TopicPartition(self._topic, number) for number in sorted(missing)], timeout=_COMMITTED_TIMEOUT_S
            )
        except KafkaException as error:
            self._unanswered += 1
            if self._unanswered >= _MOST_UNANSWERED:
                self._rejoin()
            raise AbortedError(f"cannot read the committed offsets: {error_of(error).name()}") from error
        self._unanswered = 0
        for entry in found:
            if entry.error is not None:
                raise AbortedError(f"cannot read the committed offset of {entry.partition}: {entry.error.name()}")
            place = place_of(entry.partition, entry.offset, entry.metadata, self._active)
            if isinstance(place, Place):
                self._loaded[entry.partition] = Partition(entry.partition, place)
            else:
                self._halt(entry.partition, place)
        self._fetch()

    def _join(self) -> None:
        self._consumer.subscribe(
            [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def _rejoin(self) -> None:
        """Go on with a new consumer.

        One that has lost its group's coordinator, as when a broker was killed, may never find it again: every request
        for committed offsets times out though the broker answers others (librdkafka 2.16).
        """
        old = self._consumer
        self._consumer = decision_consumer(self._settings.kafka, self._settings.identity.names.gate_group)
        self._owned.clear()
        self._loaded.clear()
        self._halted.clear()
        self._unanswered = 0
        self._join()
        threading.Thread(target=old.close, name="old-consumer", daemon=True).start()  # it may hang, too

    def _fetch(self) -> None:
        """Fetch from where each partition stands; what was fetched before and not judged is thrown away."""
        self._consumer.assign(
            [TopicPartition(self._topic, entry.number, entry.position) for entry in self._loaded.values()]
        )

    def _halt(self, number: int, refusal: Refusal) -> None:
        _log.error("decision partition is not judged", reason=refusal.reason, detail=refusal.message)
        self._halted[number] = refusal
        self._loaded.pop(number, None)

    def _rewind(self) -> None:
        for partition in self._loaded.values():
            partition.rewind()
        self._fetch()

    def _unload(self) -> None:
        """Forget everything about the owned partitions and fetch nothing until it is known again."""
        self._loaded.clear()
        self._consumer.assign([])

    def _back_off(self) -> None:
        """Wait before the next attempt, longer each time; the group's heartbeats go on by themselves."""
        self._failures += 1
        self._stop.wait(min(_FIRST_BACKOFF_S * 2 ** min(self._failures, 10), _LONGEST_BACKOFF_S))

    def _receive(self) -> Sequence[Item]:
        """Wait for a record, then take what is there without waiting: batches grow with the backlog."""
        self._transactions.settle()
        first = self._consumer.poll(_POLL_S)
        if first is None:
            return ()
        items = (self._item(message) for message in (first, *self._drain()))
        return [item for item in items if item is not None]

    def _drain(self) -> list[Message]:
        try:
            return self._consumer.consume(self._settings.max_batch * _BATCHES_A_STEP - 1, timeout=0)
        except KafkaException as error:
            raise FatalError(f"cannot consume {self._topic}: {error_of(error).name()}") from error

    def _item(self, message: Message) -> Item | None:
        error = message.error()
        number, offset = message.partition() or 0, message.offset() or 0
        if error is None:
            return Record(message.key(), message.value(), headers_of(message), number, offset, message.timestamp()[1])
        if error.code() == END_OF_PARTITION:
            return number, offset
        self._consumer_error(error, number)
        return None

    def _consumer_error(self, error: KafkaError, number: int) -> None:
        if error.fatal():
            self._fatal = error
        elif number in self._loaded and error.code() in OFFSETS_GONE:
            message = f"decision partition {number}: the log no longer holds the committed offset"
            self._halt(number, Refusal(RefusalReason.OFFSETS_LOST, message))
            self._fetch()
        elif number in self._loaded and error.code() in UNDECODABLE:
            message = f"decision partition {number}: a batch cannot be decoded: {error.name()}"
            self._halt(number, Refusal(RefusalReason.UNREADABLE_PARTITION, message))
            self._fetch()
        else:
            _log.warning("cannot read decisions", partition=number, error=error.name())

    def _judge_batch(self, batch: Sequence[Item]) -> None:
        """Judge a batch and commit all that follows from it."""
        writes = [] if self._judge is None else list(self._judged(batch, self._judge))
        if writes:
            self._begin(writes)
            self._judged_s = time.monotonic()

    def _commit_ends(self) -> None:
        """Commit ends of partitions once it is quiet: each is a transaction that a decision would wait for."""
        if time.monotonic() - self._judged_s >= _QUIET_S:
            self._commit()

    def _judged(self, batch: Sequence[Item], judge: Judge) -> Iterator[Write]:
        """Judge record by record, and move the partitions' positions and chains along."""
        loaded, now = self._loaded, datetime.now
        for item in batch:
            if not isinstance(item, Record):
                # Positions count transaction markers too: without this an idle gate would show lag for ever.
                if partition := loaded.get(item[0]):
                    partition.position = max(partition.position, item[1])
                continue
            partition = loaded.get(item.partition)
            if partition is None or item.offset < partition.position:
                continue  # taken away between the poll and now, or judged already
            outputs = judge.judge(item, partition.head, now(UTC))
            partition.head, partition.position = outputs.head, item.offset + 1
            yield from outputs.writes

    def _commit_epochs(self) -> None:
        if self._active is not None:
            advance_epochs(self._loaded.values(), self._active)
            self._commit()

    def _commit(self) -> None:
        """Commit the place of every partition that has moved, without any outputs."""
        self._begin(())
        self._finish()

    def _begin(self, writes: Sequence[Write]) -> None:
        """Commit the writes and the place of every partition that has moved, while the next batch is being judged."""
        self._finish()
        moved = [partition for partition in self._loaded.values() if partition.changed]
        if not moved:
            return
        places = [(partition, partition.place) for partition in moved]
        offsets = [
            TopicPartition(self._topic, each.number, place.position, place.head.metadata()) for each, place in places
        ]
        group = self._consumer.consumer_group_metadata()
        self._under_way = self._worker.submit(self._transactions.commit, writes, offsets, group), places

    def _finish(self) -> None:
        """Wait for the transaction that is under way, if any. None is when the consumer is polled."""
        if self._under_way is None:
            return
        (transaction, places), self._under_way = self._under_way, None
        transaction.result()
        for partition, place in places:
            partition.commit(place)
        self._failures = 0

    def _report(self) -> None:
        """Say what is in force: only called once its epochs are committed."""
        active, problem = self._active, self._feed.view.problem
        for refusal in self._halted.values():
            problem = problem or refusal
        if problem is None:
            report = Report("Starting" if active is None else "InForce")
        elif active is None and problem.reason in _WAITING:
            report = Report("Starting", problem.reason, problem.message)
        else:
            report = Report("Rejected", problem.reason, problem.message)
        if active is not None:
            report = Report(
                report.state,
                report.reason,
                report.message,
                active.namespace_epoch,
                active.guardrail_epoch,
                active.refs,
            )
        self._acks.report(report)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Only note what is owned: fetching starts when the committed offsets and chain heads are known."""
        self._owned = {entry.partition for entry in partitions}
        self._loaded.clear()
        self._halted.clear()
        consumer.assign([])
        _log.info("partitions assigned", partitions=sorted(self._owned))

    def _revoked(self, consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        """No transaction is open here: callbacks run in ``poll`` and ``consume`` only."""
        if consumer is not self._consumer:
            return  # it was replaced, and is being closed in another thread
        self._owned.clear()
        self._loaded.clear()
        self._halted.clear()
        consumer.unassign()


_WAITING = frozenset({RefusalReason.LOG_MISSING, RefusalReason.BINDING_MISSING, RefusalReason.KAFKA_UNAVAILABLE})
"""Nothing was refused: what is needed is not there yet."""


def _batches(items: Sequence[Item], most: int) -> Iterator[Sequence[Item]]:
    """Split what was received so that no transaction holds more than ``most`` items or about 4 MiB of input."""
    batch: list[Item] = []
    size = 0
    for item in items:
        size += record_size(item) if isinstance(item, Record) else 0
        if batch and (size > _MAX_BATCH_BYTES or len(batch) >= most):
            yield batch
            batch, size = [], 0
        batch.append(item)
    if batch:
        yield batch
