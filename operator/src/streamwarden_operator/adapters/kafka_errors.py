"""Kafka's answers, turned into our errors once, by code and never by text."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.errors import (
    InvalidSpecError,
    KafkaUnavailableError,
    OperatorError,
    UnsupportedChangeError,
)

SPREADING = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)
"""Answers of a broker that has not heard yet of a topic's or a group's beginning."""

_SPEC: dict[int, tuple[type[InvalidSpecError], ConditionReason]] = {
    KafkaError.TOPIC_EXCEPTION: (InvalidSpecError, ConditionReason.INVALID_SPEC),
    KafkaError.INVALID_CONFIG: (InvalidSpecError, ConditionReason.INVALID_CONFIG),
    KafkaError.INVALID_PARTITIONS: (UnsupportedChangeError, ConditionReason.NOT_SUPPORTED),
    KafkaError.INVALID_REPLICATION_FACTOR: (InvalidSpecError, ConditionReason.INVALID_SPEC),
    KafkaError.POLICY_VIOLATION: (InvalidSpecError, ConditionReason.INVALID_SPEC),
}
"""Answers that no retry changes; every other one is an outage, and retried."""


def code_of(error: KafkaException) -> int:
    """Return librdkafka's code of an error."""
    return int(error.args[0].code())


def translate(error: KafkaException, doing: str) -> OperatorError:
    """Return our error for Kafka's.

    Args:
        error: what the client raised.
        doing: what was tried, as in ``create topic 'orders'``; the message begins with it.
    """
    message = f"could not {doing}: {error.args[0].str()}"
    known = _SPEC.get(code_of(error))
    if known is not None:
        kind, reason = known
        return kind(message, reason=reason)
    return KafkaUnavailableError(message)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise our errors in place of Kafka's."""
    try:
        yield
    except KafkaException as error:
        raise translate(error, doing) from error
