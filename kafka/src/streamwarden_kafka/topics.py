"""Topics as the broker has them now: for whoever blocks until it knows, and for who asks beside its work."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from streamwarden_kafka.codes import TIMED_OUT, error_of
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.records import TopicFacts

if TYPE_CHECKING:
    from concurrent.futures import Future

    from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs do not export them
        ListOffsetsResultInfo,
        TopicDescription,
    )

EVERY_S = 5.0
"""How often a watch asks."""
_REQUEST_TIMEOUT_S = 10.0
_UNSEEN = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED})


def describe_topics(admin: AdminClient, names: Sequence[str], *, timeout_s: float) -> dict[str, TopicFacts]:
    """Return the topics that exist and that this user may see, by name. Who may read a topic may see it.

    Raises:
        BrokerUnavailableError: no answer in time, or another error.
    """
    found = {name: _found(name, answer) for name, answer in _ask(admin, names, timeout_s).items()}
    _hand_logs_over(admin)
    return {name: TopicFacts(str(each.topic_id), len(each.partitions)) for name, each in found.items() if each}


def answered_offset(answer: "ListOffsetsResultInfo") -> int:
    """Return the offset that a broker gave for one of its partitions' ends.

    Where a broker was asked and did not answer, librdkafka 2.16 reports no error, but the offset -1001.

    Raises:
        KafkaException: the broker did not answer.
    """
    if answer.offset < 0:
        raise KafkaException(KafkaError(TIMED_OUT, "the leader of the partition did not answer"))
    return int(answer.offset)


class TopicWatch:
    """Asks now and then which topics ours are, one question at a time; nothing waits for an answer.

    A client that reads a topic goes on at its position when the topic is deleted and made again under the same name and
    has as many records by then. Only the topic's id tells. Times are seconds of one clock of the caller's.
    """

    def __init__(self, open_admin: Callable[[], AdminClient], topics: Sequence[str]) -> None:
        """Prepare.

        Args:
            open_admin: makes the client that is asked, once it is needed.
            topics: by name; those that this user may not see say nothing.
        """
        self._open_admin = open_admin
        self._topics = list(topics)
        self._admin: AdminClient | None = None
        self._asked_s: float | None = None
        self._answers: Mapping[str, Future[TopicDescription]] = {}

    def begin(self, now_s: float) -> None:
        """Begin anew: the ids were asked for otherwise, and what is under way is older."""
        self._answers, self._asked_s = {}, now_s

    def others(self, known: Mapping[str, str], now_s: float) -> frozenset[str]:
        """Ask when it is time, and return the topics whose id is another than the one that is known."""
        found: frozenset[str] = frozenset()
        if self._answers and all(answer.done() for answer in self._answers.values()):
            ids = {name: _id_of(name, answer) for name, answer in self._answers.items()}
            found = frozenset(name for name, new in ids.items() if new and known.get(name, new) != new)
            self._answers = {}
            if self._admin is not None:
                _hand_logs_over(self._admin)
        if not self._answers and (self._asked_s is None or now_s - self._asked_s >= EVERY_S):
            self._admin = self._admin or self._open_admin()
            self._asked_s = now_s
            self._answers = _ask(self._admin, self._topics, _REQUEST_TIMEOUT_S)
        return found


def _ask(admin: AdminClient, names: Sequence[str], timeout_s: float) -> "Mapping[str, Future[TopicDescription]]":
    return admin.describe_topics(TopicCollection(list(names)), request_timeout=timeout_s)


def _hand_logs_over(admin: AdminClient) -> None:
    """Hand queued log lines over; without it they would pile up."""
    admin.poll(0)


def _found(name: str, answer: "Future[TopicDescription]") -> "TopicDescription | None":
    """Return a topic, once it is answered; None where there is none that this user may see.

    Raises:
        BrokerUnavailableError: no answer in time, or another error.
    """
    try:
        return answer.result()
    except KafkaException as exception:
        error = error_of(exception)
        if error.code() in _UNSEEN:
            return None
        raise BrokerUnavailableError(f"cannot describe {name}: {error.name()}") from exception


def _id_of(name: str, answer: "Future[TopicDescription]") -> str:
    """Return a topic's id; empty where nobody says it, as while it is not there."""
    try:
        found = _found(name, answer)
    except BrokerUnavailableError:
        return ""
    return "" if found is None else str(found.topic_id)
