"""Transactions: records and offsets become visible together, or not at all. One at a time.

A call into librdkafka may never return, whatever its timeout: measured with 2.16.0 and a broker that was killed, the
one that sends offsets waited for ever when the group's coordinator had gone away since the producer last asked it. No
thread can interrupt it. So each transaction runs in a thread that can be left behind, and a producer that has lost its
connection is replaced before its next transaction: the new one ends whatever the old one had open.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from streamwarden_kafka.clients import NO_SETTINGS, Settings
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import (
    BrokerUnavailableError,
    KafkaClientError,
    ProducerFencedError,
    ProducersHangError,
    RecordRefusedError,
    TransactionAbortedError,
    TransactionUnknownError,
)
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.producer_session import Limits, Listener, ProducerSession
from streamwarden_kafka.records import Offset, Write

if TYPE_CHECKING:
    from concurrent.futures import Future

_SETTLE_S = 0.001
"""From a commit until the next batch is gathered: by then its markers are written, more often than not, and requests of
the next transaction need no repetition. Measured with six output partitions, a transaction takes 5.2 ms in place of 7.
"""

_MOST_LEFT_BEHIND = 3
"""Each keeps a producer with its threads and connections for as long as the process lives."""

_LIMITS = Limits()


class TransactionalProducer:
    """One transactional producer after another, with the same transactional id. Used from one thread only.

    A producer whose outcome is not known, or that was fenced, is dropped; ``open`` makes the next one.
    """

    def __init__(
        self,
        connection: Connection,
        transactional_id: str,
        log: ClientLog,
        settings: Settings = NO_SETTINGS,
        *,
        limits: Limits = _LIMITS,
        on_delivered: Listener | None = None,
        replace_shaken: bool = True,
    ) -> None:
        """Prepare; nothing connects before ``open``.

        Args:
            connection: the Kafka, and a user that may use the id.
            transactional_id: who opens a producer with it fences all earlier ones.
            log: hears the producers.
            settings: what this use needs besides: batches, largest message.
            limits: how long things may take.
            on_delivered: told every record that a broker took, in the transaction's thread. Without one librdkafka
                speaks of failures only, which costs less.
            replace_shaken: whether a producer that lost its connection is replaced before its next transaction. Not
                where fencing tells a process that another one has taken over: the new producer would fence that one.
                Such a producer must send no offsets: only that call is known to hang.
        """
        self._connection = connection
        self._log = log
        self._limits = limits
        self._on_delivered = on_delivered
        self._replace_shaken = replace_shaken
        self._settings: dict[str, object] = {
            # The default of 100 ms is waited in each transaction, until the markers of the one before are written.
            "retry.backoff.ms": 1,
            "retry.backoff.max.ms": 4,
            **settings,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": int(limits.transaction_s * 1000),
        }
        self._session: ProducerSession | None = None
        self._committed_s = 0.0
        self._under_way: Transaction | None = None
        self._left_behind: list[ProducerSession] = []
        """With a call that hangs: freeing such a producer would hang too."""

    @property
    def is_open(self) -> bool:
        """Whether there is a producer: ``open`` may still replace it."""
        return self._session is not None

    def open(self) -> None:
        """Make a producer and end what an earlier one with this id left open. A no-op where there is a sound one.

        Raises:
            BrokerUnavailableError: not done yet; try again.
            ProducerFencedError: another process took the id over meanwhile.
            ProducerFailedError: the broker refuses, for good.
            ProducersHangError: only a new process can go on.
        """
        self._ready()

    def settle(self) -> None:
        """Wait out what is left of the pause after a commit; call it before a batch is gathered."""
        rest_s = self._committed_s + _SETTLE_S - time.monotonic()
        if rest_s > 0:
            time.sleep(rest_s)

    def commit(self, writes: Sequence[Write], offsets: Sequence[Offset] = (), group: object = None) -> None:
        """Write the records and commit the offsets in one transaction.

        Args:
            writes: in their order.
            offsets: where the group goes on.
            group: the consumer's group metadata, so that the offsets of a member that was replaced are refused.

        Raises:
            TransactionError: one of its subclasses says what is visible, and what to do.
        """
        self.begin(writes, offsets, group).finish()

    def begin(self, writes: Sequence[Write], offsets: Sequence[Offset] = (), group: object = None) -> "Transaction":
        """Begin such a transaction; it goes on in a thread of its own until ``finish`` waits for it.

        Raises:
            TransactionUnknownError: no producer is open, or a new one cannot be opened. Nothing is begun.
            ProducersHangError: only a new process can go on.
            RuntimeError: the last one is not finished. If it is aborted, this one must not be committed.
        """
        if self._under_way is not None:
            raise RuntimeError("finish the last transaction first")
        session = self._sound()
        done = session.worker.run(lambda: session.transact(writes, offsets, group))
        self._under_way = Transaction(self, session, done)
        return self._under_way

    def finish(self, session: ProducerSession, done: "Future[None]") -> None:
        """Wait for a transaction's end: ``Transaction.finish`` asks for it."""
        self._under_way = None
        try:
            done.result(self._limits.hung_s)
        except TimeoutError as error:
            self._left_behind.append(session)
            self._session = None
            raise TransactionUnknownError("the transaction hangs") from error
        except (TransactionAbortedError, RecordRefusedError):
            raise  # it was aborted in order: the producer can go on
        except BaseException:
            self.close()  # whatever it was, what is open must not stay so
            raise
        self._committed_s = time.monotonic()

    def close(self) -> None:
        """Drop the producer and whatever it still holds; the broker aborts what it has open."""
        session, self._session = self._session, None
        self._under_way = None
        if session is not None:
            session.close()

    def _sound(self) -> ProducerSession:
        """Return a producer that has not lost its connection."""
        if self._session is None:
            raise TransactionUnknownError("no producer is open")
        self._session.serve()  # where it tells
        try:
            return self._ready()
        except (BrokerUnavailableError, ProducerFencedError) as error:
            # Fenced while it was opened: by who opens at the same time. ``open`` will say whether it lasts.
            raise TransactionUnknownError(str(error)) from error

    def _ready(self) -> ProducerSession:
        if self._session is not None and not (self._session.shaken and self._replace_shaken):
            return self._session
        if len(self._left_behind) >= _MOST_LEFT_BEHIND:
            raise ProducersHangError(f"{len(self._left_behind)} transactions hang: only a new process can go on")
        self.close()
        session = ProducerSession(self._connection, self._log, self._settings, self._limits, self._on_delivered)
        try:
            session.start()
        except KafkaClientError:
            session.close()
            raise
        self._session = session
        return session


class Transaction:
    """A transaction that is under way."""

    def __init__(self, producer: TransactionalProducer, session: ProducerSession, done: "Future[None]") -> None:
        self._producer = producer
        self._session = session
        self._done = done

    def finish(self) -> None:
        """Wait for its end. Call it before anything else is asked of the producer.

        Raises:
            TransactionError: one of its subclasses says what is visible, and what to do.
        """
        self._producer.finish(self._session, self._done)
