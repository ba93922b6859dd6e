"""Topics as the broker has them now, for whoever blocks until it knows."""

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from streamwarden_kafka.codes import error_of
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.records import TopicFacts

_UNSEEN = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED})


def describe_topics(admin: AdminClient, names: Sequence[str], *, timeout_s: float) -> dict[str, TopicFacts]:
    """Return the topics that exist and that this user may see, by name. Who may read a topic may see it.

    Raises:
        BrokerUnavailableError: no answer in time, or another error.
    """
    facts: dict[str, TopicFacts] = {}
    futures = admin.describe_topics(TopicCollection(list(names)), request_timeout=timeout_s)
    for name, future in futures.items():
        try:
            found = future.result()
        except KafkaException as exception:
            error = error_of(exception)
            if error.code() in _UNSEEN:
                continue
            raise BrokerUnavailableError(f"cannot describe {name}: {error.name()}") from exception
        facts[name] = TopicFacts(str(found.topic_id), len(found.partitions))
    admin.poll(0)  # hands queued log lines over; without it they would pile up
    return facts
