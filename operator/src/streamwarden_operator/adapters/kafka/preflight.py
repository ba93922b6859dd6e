"""Looks, before anything is done, whether a Kafka can do what will be asked of it."""

from streamwarden_kafka.connection import Connection
from streamwarden_kafka.wire.offers import offered_versions

from streamwarden_operator.adapters.kafka.errors import translated
from streamwarden_operator.errors import KafkaTooOldError
from streamwarden_operator.plans.kafka_needs import lacking, too_old

_CLIENT_ID = "streamwarden-operator-preflight"


async def check_kafka(connection: Connection, *, timeout_s: float) -> None:
    """Return where everything is there.

    Raises:
        KafkaTooOldError: it lacks something; says what, and what to do.
        KafkaUnavailableError: it does not answer.
        InvalidSpecError: a setting of TLS has no translation: nobody can ask.
    """
    with translated("ask Kafka for what it can do"):
        offered = await offered_versions(connection, _CLIENT_ID, timeout_s=timeout_s)
    if missing := lacking(offered):
        raise KafkaTooOldError(too_old(missing))
