"""Kafka clients as a gate configures them."""

from confluent_kafka import Consumer, Producer
from streamwarden_kafka.clients import NO_SETTINGS, Settings, open_consumer, open_producer
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.logs import ClientLog

from streamwarden_gate.dead_letters import MAX_DEAD_LETTER_BYTES

TRANSACTION_TIMEOUT_S = 5.0
"""A gate that dies in a transaction blocks its readers for as long as this."""

_SESSION_TIMEOUT_MS = 6_000
"""A gate that dies leaves its partitions to others after this; brokers take no less by default."""

_FAIR: Settings = {
    "queued.min.messages": 1_000,
    "fetch.message.max.bytes": 256 * 1024,
    "fetch.queue.backoff.ms": 10,  # else it would pause for a second each time that the queue was full
}
"""All partitions share the client's queue, and what comes later waits for what is in it: with librdkafka's 100,000
records and a megabyte a fetch, a decision waited for seconds behind the backlog of another partition."""

TRANSACTION_SETTINGS: dict[str, object] = {
    "socket.nagle.disable": True,
    "linger.ms": 5,  # gathers while a batch is judged; the flush of a commit does not wait for it
    "message.max.bytes": MAX_DEAD_LETTER_BYTES + 32 * 1024,
}
"""Of the producer of everything that is judged."""


def decision_consumer(connection: Connection, group: str, settings: Settings = NO_SETTINGS) -> Consumer:
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
            **_FAIR,
            **settings,
        },
    )


def policy_consumer(connection: Connection, group: str) -> Consumer:
    """Make the consumer of the policy topics: it never joins the group, and reads a topic made anew from its start."""
    settings = {"auto.offset.reset": "earliest", "enable.partition.eof": True, "fetch.wait.max.ms": 100}
    return open_consumer(connection, group, ClientLog("policy-feed"), settings)


def plain_producer(connection: Connection) -> Producer:
    """Make the producer of acks."""
    settings = {"acks": "all", "enable.idempotence": True, "linger.ms": 0, "message.timeout.ms": 30_000}
    return open_producer(connection, ClientLog("acks"), settings)
