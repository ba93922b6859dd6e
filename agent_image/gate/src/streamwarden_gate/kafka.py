"""Kafka clients as a gate configures them, and the meaning of librdkafka's errors, decided in one place."""

import time
from collections.abc import Callable

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from streamwarden_contract.events import Headers

from streamwarden_gate.errors import (
    AbortedError,
    FatalError,
    FencedError,
    GateError,
    IndefiniteError,
    RecordRefusedError,
)
from streamwarden_gate.outputs import MAX_DEAD_LETTER_BYTES
from streamwarden_gate.settings import ClientProperties

_log = structlog.get_logger(__name__)

TRANSACTION_TIMEOUT_MS = 5_000
"""A gate that dies in a transaction blocks its readers for as long as this."""

_SESSION_TIMEOUT_MS = 6_000
"""A gate that dies leaves its partitions to others after this; brokers take no less by default."""

_LOG_PAUSE_S = 10.0

_PRODUCER_MESSAGE_BYTES = MAX_DEAD_LETTER_BYTES + 32 * 1024

_FENCING = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})  # noqa: SLF001  # librdkafka's local codes

REFUSED_RECORD = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.POLICY_VIOLATION,
        KafkaError.INVALID_TIMESTAMP,
    }
)
"""Answers to a produce request that a repetition would get again."""


class ErrorLog:
    """Logs what a client says about its connections: a code at most once in ten seconds."""

    def __init__(self, client: str) -> None:
        self._client = client
        self._last: dict[int, float] = {}

    def __call__(self, error: KafkaError) -> None:
        """Take one error; librdkafka repeats it for every attempt to connect."""
        now = time.monotonic()
        if now - self._last.get(error.code(), -_LOG_PAUSE_S) >= _LOG_PAUSE_S:
            self._last[error.code()] = now
            _log.warning("kafka client", client=self._client, error=error.name(), detail=error.str())


def error_of(exception: KafkaException) -> KafkaError:
    """Return the error that librdkafka's exception carries."""
    error = exception.args[0]
    if not isinstance(error, KafkaError):
        return KafkaError(KafkaError._FAIL, str(error))  # noqa: SLF001  # librdkafka's local codes
    return error


def translate(exception: KafkaException, doing: str) -> GateError:
    """Say what an error of the transactional producer means.

    An error that is neither fatal nor an abort leaves the outcome open, also where librdkafka would let the call be
    repeated: a repeated commit may answer for another transaction than the one that was asked about.
    """
    error = error_of(exception)
    text = f"{doing}: {error.name()}: {error.str()}"
    if error.code() in _FENCING:
        return FencedError(text)
    if error.code() in REFUSED_RECORD:
        return RecordRefusedError(text)
    if error.fatal():
        return FatalError(text)
    if error.txn_requires_abort():
        return AbortedError(text)
    return IndefiniteError(text)


def headers_of(message: Message) -> Headers:
    """Return a record's headers, in their order and with repetitions."""
    found = message.headers() or ()
    return list(found.items()) if isinstance(found, dict) else found


def _quiet(client: str) -> dict[str, object]:
    """Send librdkafka's complaints to our log: its own lines are no JSON."""
    return {"error_cb": ErrorLog(client), "log_level": 0}


def decision_consumer(properties: ClientProperties, group: str) -> Consumer:
    """Make the consumer of the decision topic: it guesses no offset and commits none by itself."""
    return Consumer(
        {
            **properties.consumer(),
            "group.id": group,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "partition.assignment.strategy": "range",
            "session.timeout.ms": _SESSION_TIMEOUT_MS,
            "heartbeat.interval.ms": _SESSION_TIMEOUT_MS // 4,
            "queued.max.messages.kbytes": 32 * 1024,
            **_quiet("decisions"),
        }
    )


def policy_consumer(properties: ClientProperties, group: str) -> Consumer:
    """Make the consumer of the policy topics: it never joins the group, and reads a topic made anew from its start."""
    return Consumer(
        {
            **properties.consumer(),
            "group.id": group,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 100,
            **_quiet("policy-feed"),
        }
    )


def transactional_producer(
    properties: ClientProperties,
    transactional_id: str,
    *,
    on_failed_delivery: Callable[[KafkaError | None, object], None],
) -> Producer:
    """Make the producer of everything that is judged. Call ``init_transactions`` before anything else."""
    return Producer(
        {
            **properties.producer(),
            "transactional.id": transactional_id,
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            "partitioner": "murmur2_random",
            "retry.backoff.ms": 1,
            "retry.backoff.max.ms": 4,
            "socket.nagle.disable": True,
            "linger.ms": 5,  # gathers while a batch is judged; the flush of a commit does not wait for it
            "message.max.bytes": _PRODUCER_MESSAGE_BYTES,
            "delivery.report.only.error": True,
            "on_delivery": on_failed_delivery,
            **_quiet("transactions"),
        }
    )


def plain_producer(properties: ClientProperties) -> Producer:
    """Make the producer of acks."""
    return Producer(
        {
            **properties.producer(),
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 0,
            "message.timeout.ms": 30_000,
            **_quiet("acks"),
        }
    )
