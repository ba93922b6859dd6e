"""Kafka's answers, turned into our errors once, by code and never by text."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException
from streamwarden_contract.reasons import ConditionReason
from streamwarden_kafka.codes import code_of, error_of
from streamwarden_kafka.errors import ConnectionSettingsError, KafkaClientError

from streamwarden_operator.errors import (
    InvalidSpecError,
    KafkaUnavailableError,
    OperatorError,
    UnsupportedChangeError,
)

_SPEC: dict[int, tuple[type[InvalidSpecError], ConditionReason]] = {
    KafkaError.TOPIC_EXCEPTION: (InvalidSpecError, ConditionReason.INVALID_SPEC),
    KafkaError.INVALID_CONFIG: (InvalidSpecError, ConditionReason.INVALID_CONFIG),
    KafkaError.INVALID_PARTITIONS: (UnsupportedChangeError, ConditionReason.NOT_SUPPORTED),
    KafkaError.INVALID_REPLICATION_FACTOR: (InvalidSpecError, ConditionReason.INVALID_SPEC),
    KafkaError.POLICY_VIOLATION: (InvalidSpecError, ConditionReason.INVALID_SPEC),
}
"""Answers that no retry changes; every other one is an outage, and retried."""


def translate(error: KafkaException, doing: str) -> OperatorError:
    """Return our error for Kafka's.

    Args:
        error: what the client raised.
        doing: what was tried, as in ``create topic 'orders'``; the message begins with it.
    """
    message = f"could not {doing}: {error_of(error).str()}"
    known = _SPEC.get(code_of(error))
    if known is not None:
        kind, reason = known
        return kind(message, reason=reason)
    return KafkaUnavailableError(message)


def client_error(error: KafkaClientError) -> OperatorError:
    """Return our error for one of our clients'; its message says what was tried."""
    kind = InvalidSpecError if isinstance(error, ConnectionSettingsError) else KafkaUnavailableError
    return kind(str(error))


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise our errors in place of Kafka's."""
    try:
        yield
    except KafkaException as error:
        raise translate(error, doing) from error
    except KafkaClientError as error:
        raise client_error(error) from error
