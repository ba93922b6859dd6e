"""Which client asks what an agent's topics are: one for always, and another one where it gets no answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden.runtime import feed as feeds
from streamwarden.runtime.feed import KafkaFeed
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.records import TopicFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Kafka:
    """Answers those clients alone that are named here."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.asked: list[str] = []
        self.answered: set[str] = set()

    def open_admin(self, _connection: Connection, _log: object) -> str:
        self.opened.append(f"client {len(self.opened) + 1}")
        return self.opened[-1]

    def describe_topics(self, client: str, _names: Sequence[str], *, timeout_s: float) -> dict[str, TopicFacts]:
        self.asked.append(client)
        if client not in self.answered:
            raise BrokerUnavailableError(f"no answer within {timeout_s:g} s")
        return {"pages": TopicFacts(f"as {client} says", 1)}


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    made = Kafka()
    monkeypatch.setattr(feeds, "open_admin", made.open_admin)
    monkeypatch.setattr(feeds, "describe_topics", made.describe_topics)
    return made


@pytest.fixture
def feed() -> Iterator[KafkaFeed]:
    made = KafkaFeed(Connection("127.0.0.1:1"), "guard", ["pages"])
    yield made
    made.close()


def test_one_client_asks_as_long_as_it_is_answered(kafka: Kafka, feed: KafkaFeed) -> None:
    kafka.answered = {"client 1"}
    for _ in range(3):
        feed.logs([])
    assert (kafka.opened, feed.topic_ids) == (["client 1"], {"pages": "as client 1 says"})


def test_another_one_asks_where_it_gets_no_answer_and_stays(kafka: Kafka, feed: KafkaFeed) -> None:
    kafka.answered = {"client 1"}
    feed.logs([])
    kafka.answered = {"client 2"}  # the first one's broker is frozen
    feed.logs([])
    feed.logs([])
    assert (kafka.asked, feed.topic_ids) == (
        ["client 1", "client 1", "client 2", "client 2"],
        {"pages": "as client 2 says"},
    )


def test_the_first_one_stays_where_the_other_fares_no_better(kafka: Kafka, feed: KafkaFeed) -> None:
    """Its password is replaced, perhaps: it is let in no more, and the connection of before is."""
    kafka.answered = {"client 1"}
    feed.logs([])
    kafka.answered = set()
    with pytest.raises(BrokerUnavailableError):
        feed.logs([])
    kafka.answered = {"client 1"}
    feed.logs([])
    assert kafka.asked == ["client 1", "client 1", "client 2", "client 1"]
