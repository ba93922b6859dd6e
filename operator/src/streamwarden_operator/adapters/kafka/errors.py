"""Kafka's answers, turned into our errors once, by code and never by text."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException
from streamwarden_contract.reasons import ConditionReason
from streamwarden_kafka.codes import FORBIDDEN, LOGIN_REFUSED, code_of, error_of
from streamwarden_kafka.errors import (
    ConnectionSettingsError,
    KafkaClientError,
    LoginRefusedError,
    NotAuthorizedError,
    ThrottledError,
)

from streamwarden_operator.errors import (
    InvalidSpecError,
    KafkaForbiddenError,
    KafkaLoginError,
    KafkaThrottledError,
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

_GRANT = "Grant it to the operator's Kafka user: docs/sharing-a-kafka.md lists what it needs"
_LOGIN = "Mend the credentials in the operator's Kafka settings"


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
    return _outage(message, code_of(error))


def client_error(error: KafkaClientError, doing: str = "") -> OperatorError:
    """Return our error for one of our clients'.

    Args:
        error: what the client raised.
        doing: what was tried, where its message does not say so.
    """
    message = f"could not {doing}: {error}" if doing else str(error)
    match error, _cause_of(error):
        case ConnectionSettingsError(), _:
            return InvalidSpecError(message)
        case ThrottledError(), _:
            return KafkaThrottledError(message, retry_after_s=error.left_s)
        case LoginRefusedError(), _:
            return _outage(message, KafkaError.SASL_AUTHENTICATION_FAILED)
        case NotAuthorizedError(), _:
            return _outage(message, KafkaError.CLUSTER_AUTHORIZATION_FAILED)
        case _, KafkaException() as cause:
            return _outage(message, code_of(cause))
        case _:
            return KafkaUnavailableError(message)


def _cause_of(error: BaseException) -> KafkaException | None:
    """Return what librdkafka has raised first."""
    found = error.__cause__
    while found is not None and not isinstance(found, KafkaException):
        found = found.__cause__
    return found


def _outage(message: str, code: int) -> KafkaUnavailableError:
    if code in LOGIN_REFUSED:
        return KafkaLoginError(f"{message}. {_LOGIN}")
    if code in FORBIDDEN:
        return KafkaForbiddenError(f"{message}. {_GRANT}")
    if code == KafkaError.THROTTLING_QUOTA_EXCEEDED:
        return KafkaThrottledError(message)
    return KafkaUnavailableError(message)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise our errors in place of Kafka's."""
    try:
        yield
    except KafkaException as error:
        raise translate(error, doing) from error
    except KafkaClientError as error:
        raise client_error(error) from error
