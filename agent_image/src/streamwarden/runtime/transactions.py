"""The producer: writes decisions and offsets in one transaction. Used from one thread only."""

import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from streamwarden.core.records import Outgoing, Partition
from streamwarden.runtime.errors import (
    FencedError,
    KafkaUnavailableError,
    TransactionAbortedError,
    TransactionUnknownError,
)
from streamwarden.runtime.logs import client_logger

_TRANSACTION_TIMEOUT_S = 10.0
"""The broker aborts a transaction that is open for longer; readers of the topic wait for it until then."""
_PATIENCE_S = 30.0
"""How long one transaction is tried through retriable errors before its producer is given up."""
_CALL_S = 5.0

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

_FENCED = frozenset({KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH})  # noqa: SLF001  # librdkafka's own code


class Transactions:
    """One transactional producer after another, with the same transactional id."""

    def __init__(self, client: Mapping[str, str], transactional_id: str, topic: str) -> None:
        self._settings = {**client, **_SETTINGS, "transactional.id": transactional_id}
        self._topic = topic
        self._producer: Producer | None = None

    def open(self) -> None:
        """Take over the transactional id: what was left open under it is finished or aborted first. Safe to repeat.

        Raises:
            KafkaUnavailableError: not done yet.
        """
        self.close()
        producer = Producer(self._settings, logger=client_logger())
        self._producer = producer
        try:
            producer.init_transactions(_CALL_S)
        except KafkaException as error:
            raise KafkaUnavailableError(error.args[0].name()) from error

    def commit(self, records: Sequence[Outgoing], positions: Mapping[Partition, int], group_metadata: object) -> None:
        """Write records and commit positions: all of it or nothing.

        Raises:
            TransactionAbortedError: nothing was done; the producer can go on.
            TransactionUnknownError: call ``open`` before anything else.
            FencedError: another process has the transactional id.
        """
        producer = self._producer
        if producer is None:
            raise TransactionUnknownError("no producer is open")
        started_s = time.monotonic()
        offsets = [TopicPartition(at.topic, at.number, offset) for at, offset in positions.items()]
        try:
            producer.begin_transaction()
            for record in records:
                producer.produce(self._topic, record.value, record.key, headers=list(record.headers))
            _persist(lambda: producer.send_offsets_to_transaction(offsets, group_metadata, _CALL_S), started_s)
            _persist(lambda: producer.commit_transaction(_CALL_S), started_s)
        except BufferError as error:
            raise TransactionUnknownError("the producer's queue is full") from error
        except KafkaException as error:
            self._give_up(producer, error.args[0], started_s)
            raise TransactionAbortedError(error.args[0].name()) from error

    def close(self) -> None:
        """Drop the producer and whatever it still holds."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.close()
            self._producer = None

    def _give_up(self, producer: Producer, error: KafkaError, started_s: float) -> None:
        """Abort, where the error allows it."""
        if not error.txn_requires_abort():
            raise _final(error, started_s)
        try:
            _persist(lambda: producer.abort_transaction(_CALL_S), started_s)
        except KafkaException as failed:
            raise _final(failed.args[0], started_s) from failed


def _final(error: KafkaError, started_s: float) -> FencedError | TransactionUnknownError:
    """Say what an error means after which the producer cannot be used.

    The coordinator also fences a producer whose transaction timed out, as during an outage. Within that time only
    another process can have done it.
    """
    if error.fatal() and error.code() in _FENCED and time.monotonic() - started_s < _TRANSACTION_TIMEOUT_S:
        return FencedError("another process uses the transactional id of this pod")
    return TransactionUnknownError(error.name())


def _persist(call: Callable[[], None], started_s: float) -> None:
    """Repeat a call through retriable errors until the transaction's patience is used up."""
    while True:
        try:
            call()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() - started_s > _PATIENCE_S:
                raise
        else:
            return
