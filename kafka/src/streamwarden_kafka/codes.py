"""What librdkafka's error codes mean: decided here, once, by code and never by text."""

from confluent_kafka import KafkaError, KafkaException

END_OF_PARTITION = KafkaError._PARTITION_EOF  # noqa: SLF001  # librdkafka's own codes have such names
TIMED_OUT = KafkaError._TIMED_OUT  # noqa: SLF001  # likewise

DISCONNECTED = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN})  # noqa: SLF001  # likewise
"""What a client says that has lost its brokers, or has not found them yet."""

FENCING = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})  # noqa: SLF001  # likewise
"""Another process uses the same transactional id."""

OFFSETS_GONE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001  # likewise
"""The log no longer holds the offset that is wanted, and the consumer may guess none."""

UNDECODABLE = frozenset({KafkaError._BAD_COMPRESSION, KafkaError._BAD_MSG, KafkaError._UNDERFLOW})  # noqa: SLF001  # likewise
"""A batch that the client cannot decode; it would say so for ever."""

DEADLY = KafkaError._CRIT_SYS_RESOURCE  # noqa: SLF001  # likewise
"""A batch that ends the process which decodes it; said by ``isolated`` alone."""

REFUSED_FOR_ITSELF = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
"""Answers to a produce request that a record, or the batch that it is in, gets for its size: others may be taken."""

REFUSED_RECORD = REFUSED_FOR_ITSELF | frozenset(
    {
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.POLICY_VIOLATION,
    }
)
"""Answers to a produce request that a repetition would get again.

Timestamps are the writer's clock, and which records pass is the topic's setting: what one gets so, all get.
"""

FORBIDDEN = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
"""What a broker says that knows the client and forbids the act."""

LOGIN_REFUSED = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})  # noqa: SLF001  # likewise
"""What a broker says, or the client for it, that does not take the user or the password."""

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


def error_of(exception: KafkaException) -> KafkaError:
    """Return the error that librdkafka's exception carries."""
    error = exception.args[0]
    if not isinstance(error, KafkaError):
        return KafkaError(KafkaError._FAIL, str(error))  # noqa: SLF001  # librdkafka's own codes have such names
    return error


def code_of(exception: KafkaException) -> int:
    """Return librdkafka's code of an exception."""
    return int(error_of(exception).code())
