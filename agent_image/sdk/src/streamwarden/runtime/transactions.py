"""The producer: writes decisions and offsets in one transaction. Used from one thread only.

librdkafka's call that sends offsets ignores its timeout: when the group's coordinator went away since the producer
last asked it, the call may never return (measured with 2.16.0 and a broker that was killed). So a producer that lost
its connection is replaced before its next transaction, and each transaction runs in a thread that can be left behind.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from streamwarden_kafka.clients import open_producer
from streamwarden_kafka.codes import DISCONNECTED, FENCING, error_of
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.logs import ClientLog
from typing_extensions import override

from streamwarden.core.records import Outgoing, Partition
from streamwarden.runtime.errors import (
    FencedError,
    KafkaUnavailableError,
    TransactionAbortedError,
    TransactionUnknownError,
)
from streamwarden.runtime.ports import Transactions

_TRANSACTION_TIMEOUT_S = 10.0
"""The broker aborts a transaction that is open for longer; readers of the topic wait for it until then."""
_PATIENCE_S = 12.0
"""How long one transaction is tried through retriable errors before its producer is given up."""
_HUNG_S = 20.0
"""When a transaction is taken to hang. Longer than ``_PATIENCE_S`` and the timeout of a call together."""
_CALL_S = 5.0
_RETRY_S = 0.02
_CLOSE_S = 2.0

_SETTINGS: dict[str, object] = {
    "transaction.timeout.ms": int(_TRANSACTION_TIMEOUT_S * 1000),
    "acks": "all",
    # The default of 100 ms is waited on each transaction, until the markers of the one before are written.
    "retry.backoff.ms": 1,
    "retry.backoff.max.ms": 4,
    "batch.size": 512 * 1024,  # well under the topic's max.message.bytes, which limits batches
    "linger.ms": 2,
    "compression.type": "lz4",
}


class KafkaTransactions(Transactions):
    """One transactional producer after another, with the same transactional id."""

    def __init__(self, kafka: Connection, transactional_id: str, topic: str) -> None:
        self._kafka = kafka
        self._settings = {**_SETTINGS, "transactional.id": transactional_id}
        self._log = ClientLog("transactions", on_error=self._on_error)
        self._topic = topic
        self._producer: Producer | None = None
        self._worker = _Worker()
        self._shaken = False
        self._left_behind: list[Producer] = []
        """Producers with a call that hangs: freeing one would hang too."""

    @override
    def open(self) -> None:
        self.close()
        producer = open_producer(self._kafka, self._log, self._settings)
        try:
            producer.init_transactions(_CALL_S)
        except KafkaException as error:
            _discard(producer)
            raise KafkaUnavailableError(error_of(error).name()) from error
        producer.poll(0)
        self._shaken = False
        self._producer = producer

    @override
    def commit(self, records: Sequence[Outgoing], positions: Mapping[Partition, int], group_metadata: object) -> None:
        producer = self._sound_producer()
        offsets = [TopicPartition(at.topic, at.number, offset) for at, offset in positions.items()]
        done = self._worker.run(lambda: self._transact(producer, records, offsets, group_metadata))
        try:
            done.result(_HUNG_S)
        except TimeoutError as error:
            self._left_behind.append(producer)
            self._producer, self._worker = None, _Worker()
            raise TransactionUnknownError("the transaction hangs") from error

    @override
    def close(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            _discard(producer)

    def _sound_producer(self) -> Producer:
        """Return a producer that has not lost its connection."""
        if self._producer is not None:
            self._producer.poll(0)  # where it tells
        if self._producer is None or self._shaken:
            try:
                self.open()
            except KafkaUnavailableError as error:
                raise TransactionUnknownError(str(error)) from error
        if self._producer is None:
            raise TransactionUnknownError("no producer is open")
        return self._producer

    def _transact(
        self, producer: Producer, records: Sequence[Outgoing], offsets: list[TopicPartition], group_metadata: object
    ) -> None:
        started_s = time.monotonic()
        try:
            producer.begin_transaction()
            for record in records:
                producer.produce(self._topic, record.value, record.key, headers=list(record.headers))
            _persist(lambda: producer.send_offsets_to_transaction(offsets, group_metadata, _CALL_S), started_s)
            _persist(lambda: producer.commit_transaction(_CALL_S), started_s)
        except BufferError as error:
            raise TransactionUnknownError("the producer's queue is full") from error
        except KafkaException as error:
            self._give_up(producer, error_of(error), started_s)
            raise TransactionAbortedError(error_of(error).name()) from error

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in DISCONNECTED:
            self._shaken = True

    def _give_up(self, producer: Producer, error: KafkaError, started_s: float) -> None:
        """Abort, where the error allows it."""
        if not error.txn_requires_abort():
            raise _final(error, started_s)
        try:
            _persist(lambda: producer.abort_transaction(_CALL_S), started_s)
        except KafkaException as failed:
            raise _final(error_of(failed), started_s) from failed


def _discard(producer: Producer) -> None:
    """Close a producer, and wait a little for it: after a transaction that timed out closing may take for ever."""
    closing = Thread(target=_close, args=(producer,), name="closing", daemon=True)
    closing.start()
    closing.join(_CLOSE_S)


def _close(producer: Producer) -> None:
    producer.purge()
    with suppress(KafkaException):  # one with a fatal error only says so again
        producer.close()


def _final(error: KafkaError, started_s: float) -> FencedError | TransactionUnknownError:
    """Say what an error means after which the producer cannot be used.

    The coordinator also fences a producer whose transaction timed out, as during an outage. Within that time only
    another process can have done it.
    """
    if error.fatal() and error.code() in FENCING and time.monotonic() - started_s < _TRANSACTION_TIMEOUT_S:
        return FencedError("another process uses the transactional id of this pod")
    return TransactionUnknownError(error.name())


def _persist(call: Callable[[], None], started_s: float) -> None:
    """Repeat a call through retriable errors until the transaction's patience is used up."""
    while True:
        try:
            call()
        except KafkaException as error:
            if not error_of(error).retriable() or time.monotonic() - started_s > _PATIENCE_S:
                raise
            time.sleep(_RETRY_S)
        else:
            return


class _Worker:
    """A thread that does one thing after another, and that nobody waits for at exit."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[], None], Future[None]]] = SimpleQueue()
        Thread(target=self._work, name="transactions", daemon=True).start()

    def run(self, job: Callable[[], None]) -> Future[None]:
        """Do ``job`` when those before it are done."""
        done: Future[None] = Future()
        self._jobs.put((job, done))
        return done

    def _work(self) -> None:
        while True:
            job, done = self._jobs.get()
            try:
                job()
            except BaseException as error:  # noqa: BLE001  # it is raised where the result is awaited
                done.set_exception(error)
            else:
                done.set_result(None)
