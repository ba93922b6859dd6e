"""One transactional producer, from its opening until it is dropped, and what its errors mean."""

import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from streamwarden_kafka.clients import Settings, open_producer
from streamwarden_kafka.codes import DISCONNECTED, FENCING, REFUSED_FOR_ITSELF, REFUSED_RECORD, error_of
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import (
    BrokerUnavailableError,
    ProducerFailedError,
    ProducerFencedError,
    RecordRefusedError,
    TransactionAbortedError,
    TransactionError,
    TransactionUnknownError,
)
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.records import Offset, Write
from streamwarden_kafka.worker import Worker

_RETRY_S = 0.02
_CLOSE_S = 2.0

Listener = Callable[[Message], None]
"""Told every record that a broker took."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds."""

    transaction_s: float = 5.0
    """A transaction that is open for longer is aborted by the broker; until then it holds up who reads the topics."""
    open_s: float = 10.0
    """Until a new producer has ended what an earlier one left open."""
    call_s: float = 5.0
    """One call: the offsets, the commit, the abort."""
    patience_s: float = 0.0
    """How long a transaction is carried on through errors that librdkafka calls retriable. With 0 the first one leaves
    the outcome unknown: for whom it costs little to do the work again."""
    hung_s: float = 20.0
    """When a transaction is taken to hang: longer than what the others may take together."""


class ProducerSession:
    """A producer and the thread of its transactions. All but ``transact`` is for the thread that made it."""

    def __init__(
        self,
        connection: Connection,
        log: ClientLog,
        settings: Settings,
        limits: Limits,
        on_delivered: Listener | None,
    ) -> None:
        self.shaken = False
        """Whether it lost its connection, or count of its records: another one must go on."""
        self._limits = limits
        self._on_delivered = on_delivered
        self._refused: tuple[str, KafkaError] | None = None
        """Topic of a record of this transaction that the broker refuses, and the error."""
        own = {"on_delivery": self._delivered, "delivery.report.only.error": on_delivered is None}
        self._producer = open_producer(connection, log.heard_by(self._on_error), {**settings, **own})
        self.worker = Worker("transactions")

    def start(self) -> None:
        """Take the transactional id over, and end what an earlier producer left open.

        Raises:
            BrokerUnavailableError: not done yet.
            ProducerFencedError: another process did so meanwhile.
            ProducerFailedError: the broker refuses, for good.
        """
        attempt = _Attempt(0.0)
        try:
            attempt.step("init_transactions", lambda: self._producer.init_transactions(self._limits.open_s))
        except KafkaException as exception:
            error = error_of(exception)
            if error.code() in FENCING or error.fatal():
                raise self._lost(attempt, error) from exception
            raise BrokerUnavailableError(attempt.text(error)) from exception
        self.serve()

    def serve(self) -> None:
        """Hear what librdkafka has to say."""
        self._producer.poll(0)

    def transact(self, writes: Sequence[Write], offsets: Sequence[Offset], group: object) -> None:
        """Carry one transaction through.

        Raises:
            TransactionError: one of its subclasses.
        """
        self._refused = None
        attempt = _Attempt(self._limits.patience_s)
        try:
            self._carry_through(attempt, writes, offsets, group)
        except BufferError as full:
            self._abort(attempt)
            raise TransactionAbortedError("the producer's queue is full") from full
        except KafkaException as exception:
            error, text = error_of(exception), attempt.text(error_of(exception))
            if not _can_abort(error):
                raise self._lost(attempt, error) from exception
            self._abort(attempt, exception)
            raise self._aborted(error, text) from exception

    def close(self) -> None:
        """Close, and wait a little for it: after a transaction that timed out closing may take for ever."""
        closing = Thread(target=self._close, name="closing", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)

    def _close(self) -> None:
        self.worker.stop()
        # One with a fatal error, or with a call that was given up, only says so again: as an error or as a warning.
        with suppress(KafkaException), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            self._producer.purge()
            self._producer.close()

    def _carry_through(
        self, attempt: "_Attempt", writes: Sequence[Write], offsets: Sequence[Offset], group: object
    ) -> None:
        producer, call_s = self._producer, self._limits.call_s
        attempt.step("begin_transaction", producer.begin_transaction)
        if offsets:
            # The offsets come first: while the last transaction's markers are being written, the broker refuses to add
            # anything to the next one. librdkafka repeats this request after 1 ms, and that of the outputs after 20 ms.
            places = [TopicPartition(each.topic, each.partition, each.offset, each.metadata) for each in offsets]
            attempt.step(
                "send_offsets_to_transaction", lambda: producer.send_offsets_to_transaction(places, group, call_s)
            )
        attempt.step("produce", lambda: self._produce(writes))
        attempt.step("commit_transaction", lambda: producer.commit_transaction(call_s))

    def _produce(self, writes: Sequence[Write]) -> None:
        produce, topic = self._producer.produce, ""
        try:
            for topic, key, value, headers, partition in writes:
                produce(topic, value, key, partition, headers=headers)
        except KafkaException as exception:
            if error_of(exception).code() in REFUSED_RECORD:
                self._refused = topic, error_of(exception)
            raise

    def _abort(self, attempt: "_Attempt", first: KafkaException | None = None) -> None:
        """Abort; where that fails too, ``first`` is what people can mend, and said before it."""
        text = attempt.text(error_of(first)) if first is not None else ""
        try:
            attempt.step("abort_transaction", lambda: self._producer.abort_transaction(self._limits.call_s))
        except KafkaException as exception:
            raise self._lost(attempt, error_of(exception), text) from first or exception

    def _aborted(self, error: KafkaError, text: str) -> TransactionAbortedError:
        """Say what an error means after which the transaction was aborted."""
        if self._refused is not None:
            # Its next transaction would fail (OUT_OF_ORDER_SEQUENCE_NUMBER; librdkafka 2.16.0, Kafka 4.3).
            self.shaken = True
            topic, cause = self._refused
            return _refusal(f"the broker refuses a record on {topic}: {cause.name()}", cause, topic)
        if error.code() in REFUSED_RECORD:
            return _refusal(text, error)
        return TransactionAbortedError(text)

    def _lost(self, attempt: "_Attempt", error: KafkaError, first: str = "") -> TransactionError:
        """Say what an error means after which the producer cannot be used.

        One that is not fatal leaves the outcome open, also where librdkafka would let the call be repeated: a repeated
        commit may answer for another transaction than the one that was asked about.
        """
        text = "; ".join(filter(None, (first, attempt.text(error))))
        if error.code() in FENCING:
            return ProducerFencedError(text, certain=attempt.elapsed_s < self._limits.transaction_s)
        return ProducerFailedError(text) if error.fatal() else TransactionUnknownError(text)

    def _delivered(self, error: KafkaError | None, message: object) -> None:
        if not isinstance(message, Message):
            return
        if error is None and self._on_delivered is not None:
            self._on_delivered(message)
        if error is not None and error.code() in REFUSED_RECORD:
            self._refused = message.topic() or "", error

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in DISCONNECTED:
            self.shaken = True


def _refusal(text: str, error: KafkaError, topic: str = "") -> RecordRefusedError:
    return RecordRefusedError(text, topic=topic, code=error.name(), for_itself=error.code() in REFUSED_FOR_ITSELF)


def _can_abort(error: KafkaError) -> bool:
    """Tell whether the transaction can be aborted, and the producer go on."""
    if error.code() in FENCING:
        return False
    return error.code() in REFUSED_RECORD or (error.txn_requires_abort() and not error.fatal())


class _Attempt:
    """A transaction as it proceeds."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._started_s = time.monotonic()
        self._doing = ""

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started_s

    def step(self, doing: str, call: Callable[[], None]) -> None:
        """Make a call, and repeat it through retriable errors until the patience is used up."""
        self._doing = doing
        while True:
            try:
                return call()
            except KafkaException as error:
                if not error_of(error).retriable() or self.elapsed_s >= self._patience_s:
                    raise
            time.sleep(_RETRY_S)

    def text(self, error: KafkaError) -> str:
        """Say what was being done, and how it failed."""
        return f"{self._doing}: {error.name()}: {error.str()}"
