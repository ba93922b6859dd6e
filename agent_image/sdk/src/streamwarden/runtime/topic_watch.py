"""Asks Kafka now and then which topics ours are, beside the reading: nothing waits for an answer.

A client that reads a topic goes on at its position when the topic is deleted and made again under the same name and has
as many records by then. Only the topic's id tells.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from concurrent.futures import Future

    from confluent_kafka.admin import TopicDescription  # type: ignore[attr-defined]  # the stubs do not export it

EVERY_S = 5.0
_REQUEST_TIMEOUT_S = 10.0


class TopicWatch:
    """One question at a time. Times are seconds of one clock of the caller's."""

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
            ids = {name: _id_of(answer) for name, answer in self._answers.items()}
            found = frozenset(name for name, new in ids.items() if new and known.get(name, new) != new)
            self._answers = {}
            if self._admin is not None:
                self._admin.poll(0)  # hands queued log lines over; without it they would pile up
        if not self._answers and (self._asked_s is None or now_s - self._asked_s >= EVERY_S):
            self._admin = self._admin or self._open_admin()
            self._asked_s = now_s
            wanted = TopicCollection(self._topics)
            self._answers = self._admin.describe_topics(wanted, request_timeout=_REQUEST_TIMEOUT_S)
        return found


def _id_of(answer: "Future[TopicDescription]") -> str:
    """Return a topic's id; empty where nobody says it, as while it is not there."""
    try:
        return str(answer.result().topic_id)
    except KafkaException:
        return ""
