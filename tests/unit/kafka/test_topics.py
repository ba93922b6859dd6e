"""A topic that was made again under its name is found out by its id, and nothing waits for that."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.records import TopicFacts
from streamwarden_kafka.topics import EVERY_S, TopicWatch, describe_topics

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

KNOWN = {"pages": "T1", "ids": "T2"}


class Admin:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Future[Any]]] = []

    def describe_topics(self, topics: Any, *, request_timeout: float) -> dict[str, Future[Any]]:
        assert request_timeout > 0
        assert topics is not None
        self.asked.append({name: Future() for name in ("pages", "ids")})
        return self.asked[-1]

    def poll(self, _timeout_s: float) -> int:
        return 0

    def answer(self, **ids: str) -> None:
        for name, topic_id in ids.items():
            self.asked[-1][name].set_result(SimpleNamespace(topic_id=topic_id))


@pytest.fixture
def admin() -> Admin:
    return Admin()


@pytest.fixture
def watch(admin: Admin) -> TopicWatch:
    return TopicWatch(lambda: cast("AdminClient", admin), ["pages", "ids"])


def test_topics_that_are_the_same_are_none_of_the_others(admin: Admin, watch: TopicWatch) -> None:
    assert watch.others(KNOWN, 0.0) == frozenset()
    admin.answer(pages="T1", ids="T2")
    assert watch.others(KNOWN, 0.1) == frozenset()
    assert len(admin.asked) == 1


def test_a_topic_of_another_id_is_told_once_all_have_answered(admin: Admin, watch: TopicWatch) -> None:
    watch.others(KNOWN, 0.0)
    admin.answer(pages="T3")
    assert watch.others(KNOWN, 60.0) == frozenset()
    admin.answer(ids="T2")
    assert watch.others(KNOWN, 60.1) == {"pages"}


def test_it_is_asked_every_five_seconds_and_one_question_at_a_time(admin: Admin, watch: TopicWatch) -> None:
    watch.others(KNOWN, 0.0)
    watch.others(KNOWN, EVERY_S)
    assert len(admin.asked) == 1
    admin.answer(pages="T1", ids="T2")
    watch.others(KNOWN, EVERY_S - 0.1)
    assert len(admin.asked) == 1
    watch.others(KNOWN, EVERY_S)
    assert len(admin.asked) == 2


def test_nobody_knows_of_a_topic_that_is_not_there_or_was_not_known(admin: Admin, watch: TopicWatch) -> None:
    watch.others({"ids": "T2"}, 0.0)
    admin.answer(pages="T3")
    admin.asked[-1]["ids"].set_exception(KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)))
    assert watch.others({"ids": "T2"}, 0.1) == frozenset()


def test_an_answer_from_before_the_ids_were_asked_for_otherwise_counts_no_more(admin: Admin, watch: TopicWatch) -> None:
    watch.others(KNOWN, 0.0)
    admin.answer(pages="T1", ids="T2")
    watch.begin(1.0)
    assert watch.others({"pages": "T3", "ids": "T2"}, 1.1) == frozenset()
    assert len(admin.asked) == 1


def test_an_answer_that_is_an_error_says_nothing_of_a_topic(admin: Admin, watch: TopicWatch) -> None:
    watch.others(KNOWN, 0.0)
    admin.answer(pages="T3")
    admin.asked[-1]["ids"].set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
    assert watch.others(KNOWN, 0.1) == {"pages"}


def test_who_blocks_gets_the_topics_that_are_there_and_an_error_where_nobody_answers(admin: Admin) -> None:
    def answer(ids: KafkaException) -> Any:
        pages: Future[Any] = Future()
        pages.set_result(SimpleNamespace(topic_id="T1", partitions=[0, 1]))
        other: Future[Any] = Future()
        other.set_exception(ids)
        return lambda _topics, **_: {"pages": pages, "ids": other}

    client = cast("AdminClient", admin)
    admin.describe_topics = answer(KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)))  # type: ignore[method-assign]  # a fake
    assert describe_topics(client, ["pages", "ids"], timeout_s=1) == {"pages": TopicFacts("T1", 2)}
    admin.describe_topics = answer(KafkaException(KafkaError(KafkaError._TIMED_OUT)))  # type: ignore[method-assign]  # a fake
    with pytest.raises(BrokerUnavailableError, match="cannot describe ids: _TIMED_OUT"):
        describe_topics(client, ["pages", "ids"], timeout_s=1)
