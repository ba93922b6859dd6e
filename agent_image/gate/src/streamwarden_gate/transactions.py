"""One Kafka transaction for a batch: outputs and input offsets become visible together, or not at all."""

import time
from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition
from streamwarden_kafka.codes import REFUSED_RECORD
from streamwarden_kafka.connection import Connection

from streamwarden_gate.errors import AbortedError, GateError, IndefiniteError, RecordRefusedError
from streamwarden_gate.kafka import transactional_producer, translate
from streamwarden_gate.outputs import Write
from streamwarden_gate.watchdog import Watchdog

_INIT_TIMEOUT_S = 10.0
_COMMIT_TIMEOUT_S = 5.0
_ABORT_TIMEOUT_S = 5.0
_LONGEST_COMMIT_S = 20.0
"""Longer than all of these together: whatever takes this long does not end."""

_SETTLE_S = 0.001
"""From a commit until the next batch is gathered: by then its markers are written, more often than not, and requests of
the next transaction need no repetition. Measured with six output partitions, a transaction takes 5.2 ms in place of 7.
"""


class Transactions:
    """Owns the transactional producer, and replaces it when an outcome is unknown."""

    def __init__(self, connection: Connection, transactional_id: str) -> None:
        self._connection = connection
        self._transactional_id = transactional_id
        self._producer: Producer | None = None
        self._watchdog = Watchdog(_LONGEST_COMMIT_S)
        self._refused: tuple[str, str] | None = None
        self._committed_s = 0.0

    def settle(self) -> None:
        """Wait out what is left of the pause after a commit; call it before a batch is gathered."""
        rest_s = self._committed_s + _SETTLE_S - time.monotonic()
        if rest_s > 0:
            time.sleep(rest_s)

    def open(self) -> None:
        """Make a producer and end whatever an earlier one with this id left open. A no-op where there is one.

        Raises:
            IndefiniteError: the broker did not answer; try again.
            FatalError: refused, or fenced.
        """
        if self._producer is not None:
            return
        producer = transactional_producer(
            self._connection,
            self._transactional_id,
            on_failed_delivery=self._delivery_failed,
        )
        try:
            producer.init_transactions(_INIT_TIMEOUT_S)
        except KafkaException as error:
            raise translate(error, "init_transactions") from error
        self._producer = producer

    def commit(self, writes: Sequence[Write], offsets: Sequence[TopicPartition], group: object) -> None:
        """Write everything and commit the offsets in one transaction.

        Args:
            writes: the outputs, in order.
            offsets: where to go on in the decision partitions, with the heads of their audit chains.
            group: the consumer's group metadata, so that offsets of a member that was replaced are refused.

        Raises:
            AbortedError: nothing was written: rewind and repeat.
            IndefiniteError: nobody knows: call ``discard``, and read the committed offsets again.
            FatalError: fenced, or the broker refuses one of the records.
        """
        producer = self._producer
        if producer is None:
            raise IndefiniteError("there is no producer")
        with self._watchdog.watching():
            self._commit(producer, writes, offsets, group)

    def _commit(
        self, producer: Producer, writes: Sequence[Write], offsets: Sequence[TopicPartition], group: object
    ) -> None:
        self._refused = None
        doing = "begin_transaction"
        try:
            producer.begin_transaction()
            # The offsets come first: while the last transaction's markers are being written, the broker refuses to add
            # anything to the next one. librdkafka repeats this request after 1 ms, and that of the outputs after 20 ms.
            doing = "send_offsets_to_transaction"
            producer.send_offsets_to_transaction(list(offsets), group, _COMMIT_TIMEOUT_S)
            doing = "produce"
            produce = producer.produce
            for topic, key, value, headers in writes:
                produce(topic, value, key, headers=headers)
            doing = "commit_transaction"
            producer.commit_transaction(_COMMIT_TIMEOUT_S)
            self._committed_s = time.monotonic()
        except KafkaException as error:
            raise self._failed(producer, translate(error, doing)) from error
        except BufferError as error:
            raise self._failed(producer, AbortedError("the producer's queue is full")) from error

    def discard(self) -> None:
        """Forget the producer: its transaction, if any, is ended by the next ``open`` or by its timeout."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge(in_flight=True)

    def close(self) -> None:
        """End in order. No transaction may be open."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()

    def _failed(self, producer: Producer, error: GateError) -> GateError:
        """Abort where that is possible, and say what the failure means in the end."""
        if not isinstance(error, AbortedError | RecordRefusedError):
            return error
        try:
            producer.abort_transaction(_ABORT_TIMEOUT_S)
        except KafkaException as exception:
            return translate(exception, "abort_transaction")
        if self._refused is not None:
            topic, code = self._refused
            return RecordRefusedError(f"the broker refuses a record on {topic}: {code}")
        return error

    def _delivery_failed(self, error: KafkaError | None, message: object) -> None:
        if error is not None and error.code() in REFUSED_RECORD and isinstance(message, Message):
            self._refused = (message.topic() or "", error.name())
