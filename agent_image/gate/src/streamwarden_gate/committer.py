"""The gate's transactions, on Kafka. Implements ``ports.Committer``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import (
    BrokerUnavailableError,
    NotAMemberError,
    ProducerFailedError,
    ProducerFencedError,
    RecordRefusedError,
    TransactionAbortedError,
    TransactionUnknownError,
)
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.producer_session import Limits
from streamwarden_kafka.records import Offset, Write
from streamwarden_kafka.transactions import Transaction, TransactionalProducer

from streamwarden_gate.errors import AbortedError, FatalError, FencedError, IndefiniteError, OutputsRefusedError
from streamwarden_gate.kafka import TRANSACTION_SETTINGS, TRANSACTION_TIMEOUT_S
from streamwarden_gate.partitions import Place


class KafkaCommitter:
    """Writes outputs and places with the transactional producer of one pod."""

    def __init__(
        self, connection: Connection, transactional_id: str, topic: str, membership: Callable[[], object]
    ) -> None:
        """Prepare.

        Args:
            connection: the gate's.
            transactional_id: the pod's.
            topic: the decision topic.
            membership: returns the group metadata of the assignment, or raises ``NotAMemberError``.
        """
        self._topic = topic
        self._membership = membership
        self._producer = TransactionalProducer(
            connection,
            transactional_id,
            ClientLog("transactions"),
            TRANSACTION_SETTINGS,
            limits=Limits(transaction_s=TRANSACTION_TIMEOUT_S),
        )

    def open(self) -> None:
        with _translated():
            self._producer.open()

    def settle(self) -> None:
        self._producer.settle()

    def begin(self, writes: Sequence[Write], places: Mapping[int, Place]) -> "_Pending":
        with _translated():
            offsets = [Offset(self._topic, number, place.position, place.metadata) for number, place in places.items()]
            return _Pending(self._producer.begin(writes, offsets, self._membership()))

    def close(self) -> None:
        self._producer.close()


class _Pending:
    """Implements ``ports.Pending``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def finish(self) -> None:
        with _translated():
            self._transaction.finish()


@contextmanager
def _translated() -> Iterator[None]:
    """Say what a failure means for the loop."""
    try:
        yield
    except RecordRefusedError as error:
        raise OutputsRefusedError(str(error), for_itself=error.for_itself) from error
    except ProducerFencedError as error:
        # A coordinator also ends a transaction for its age, as in an outage: only a new producer can tell.
        raise (FencedError if error.certain else IndefiniteError)(str(error)) from error
    except ProducerFailedError as error:
        raise FatalError(str(error)) from error
    except (TransactionAbortedError, NotAMemberError) as error:
        raise AbortedError(str(error)) from error
    except (TransactionUnknownError, BrokerUnavailableError) as error:
        raise IndefiniteError(str(error)) from error
