"""Kafka clients as a gate configures them, and the meaning of librdkafka's errors, decided in one place."""

from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from streamwarden_kafka.clients import open_consumer, open_producer
from streamwarden_kafka.codes import FENCING, REFUSED_RECORD, error_of
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.logs import ClientLog

from streamwarden_gate.errors import (
    AbortedError,
    FatalError,
    FencedError,
    GateError,
    IndefiniteError,
    RecordRefusedError,
)
from streamwarden_gate.outputs import MAX_DEAD_LETTER_BYTES

TRANSACTION_TIMEOUT_MS = 5_000
"""A gate that dies in a transaction blocks its readers for as long as this."""

_SESSION_TIMEOUT_MS = 6_000
"""A gate that dies leaves its partitions to others after this; brokers take no less by default."""

_PRODUCER_MESSAGE_BYTES = MAX_DEAD_LETTER_BYTES + 32 * 1024


def translate(exception: KafkaException, doing: str) -> GateError:
    """Say what an error of the transactional producer means.

    An error that is neither fatal nor an abort leaves the outcome open, also where librdkafka would let the call be
    repeated: a repeated commit may answer for another transaction than the one that was asked about.
    """
    error = error_of(exception)
    text = f"{doing}: {error.name()}: {error.str()}"
    if error.code() in FENCING:
        return FencedError(text)
    if error.code() in REFUSED_RECORD:
        return RecordRefusedError(text)
    if error.fatal():
        return FatalError(text)
    if error.txn_requires_abort():
        return AbortedError(text)
    return IndefiniteError(text)


def decision_consumer(connection: Connection, group: str) -> Consumer:
    """Make the consumer of the decision topic: it guesses no offset and commits none by itself."""
    return open_consumer(
        connection,
        group,
        ClientLog("decisions"),
        {
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "partition.assignment.strategy": "range",
            "session.timeout.ms": _SESSION_TIMEOUT_MS,
            "heartbeat.interval.ms": _SESSION_TIMEOUT_MS // 4,
            "queued.max.messages.kbytes": 32 * 1024,
        },
    )


def policy_consumer(connection: Connection, group: str) -> Consumer:
    """Make the consumer of the policy topics: it never joins the group, and reads a topic made anew from its start."""
    settings = {"auto.offset.reset": "earliest", "enable.partition.eof": True, "fetch.wait.max.ms": 100}
    return open_consumer(connection, group, ClientLog("policy-feed"), settings)


def transactional_producer(
    connection: Connection,
    transactional_id: str,
    *,
    on_failed_delivery: Callable[[KafkaError | None, object], None],
) -> Producer:
    """Make the producer of everything that is judged. Call ``init_transactions`` before anything else."""
    return open_producer(
        connection,
        ClientLog("transactions"),
        {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            "retry.backoff.ms": 1,
            "retry.backoff.max.ms": 4,
            "socket.nagle.disable": True,
            "linger.ms": 5,  # gathers while a batch is judged; the flush of a commit does not wait for it
            "message.max.bytes": _PRODUCER_MESSAGE_BYTES,
            "delivery.report.only.error": True,
            "on_delivery": on_failed_delivery,
        },
    )


def plain_producer(connection: Connection) -> Producer:
    """Make the producer of acks."""
    settings = {"acks": "all", "enable.idempotence": True, "linger.ms": 0, "message.timeout.ms": 30_000}
    return open_producer(connection, ClientLog("acks"), settings)
