"""Asks Kafka for the ends of the policy topics, beside the reading: nothing waits for an answer."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import structlog
from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # the stubs do not export it
from streamwarden_kafka.codes import error_of
from streamwarden_kafka.topics import answered_offset

from streamwarden_gate.freshness import Freshness, Question

if TYPE_CHECKING:
    from concurrent.futures import Future

    from confluent_kafka.admin import ListOffsetsResultInfo  # type: ignore[attr-defined]  # as above

_log = structlog.get_logger(__name__)

_REQUEST_TIMEOUT_S = 10.0
_LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class Ends:
    """One question at a time, every few seconds."""

    def __init__(
        self,
        admin: AdminClient,
        open_client: Callable[[], AdminClient],
        topics: Iterable[str],
        freshness: Freshness,
        *,
        every_s: float,
    ) -> None:
        """Prepare.

        Args:
            admin: asked as long as it answers.
            open_client: makes another client to ask, after each failure: one that has seen a leader's epoch goes on to
                ask by it, and is refused for ever once the broker was away (FENCED_LEADER_EPOCH; librdkafka 2.16).
            topics: the policy topics; each has one partition.
            freshness: what the answers prove.
            every_s: seconds from question to question.
        """
        self._open_client = open_client
        self._admin = admin
        self._topics = tuple(topics)
        self._freshness = freshness
        self._every_s = every_s
        self._question: Question | None = None
        self._answers: dict[TopicPartition, Future[ListOffsetsResultInfo]] = {}
        self._failure = ""

    def follow(self) -> None:
        """Ask when it is time, and take what was answered. Never waits."""
        now_s, last = time.monotonic(), self._question
        if last is not None and self._answers and all(answer.done() for answer in self._answers.values()):
            self._take(last)
        if not self._answers and (last is None or now_s - last.at_s >= self._every_s):
            self._question = self._freshness.ask(now_s)
            wanted = {TopicPartition(topic, 0): _LATEST for topic in self._topics}
            self._answers = self._admin.list_offsets(
                wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=_REQUEST_TIMEOUT_S
            )

    def _take(self, question: Question) -> None:
        ends: dict[str, int] = {}
        failure = ""
        for place, answer in self._answers.items():
            try:
                ends[place.topic] = answered_offset(answer.result())
            except KafkaException as error:
                failure = f"{place.topic}: {error_of(error).name()}"
        self._answers = {}
        self._admin.poll(0)  # hands queued log lines over; without it they would pile up
        self._freshness.answered(question, ends)
        if failure and failure != self._failure:
            _log.warning("cannot ask where a policy topic ends", cause=failure)
        if failure:
            self._admin = self._open_client()
        self._failure = failure
