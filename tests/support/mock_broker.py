"""librdkafka's own broker, in this process: it keeps any batch as it comes, and checks nothing."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Producer, TopicPartition
from support.kafka_tools import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import Message

_QUIET = {"log_level": 0}


@contextmanager
def mock_broker(*topics: str) -> Iterator[dict[str, str]]:
    """Run one that has these topics; gives a client's settings."""
    keeper = Producer({**_QUIET, "test.mock.num.brokers": 1, "bootstrap.servers": "replaced"})
    for topic in topics:
        [broker] = keeper.list_topics(topic, timeout=WAIT_S).brokers.values()
    yield {"bootstrap.servers": f"{broker.host}:{broker.port}"}
    keeper.flush(0)  # it is there until here


def read(properties: dict[str, str], topic: str, count: int, partition: int = 0) -> list[Message]:
    """Read so many records of a partition."""
    consumer = Consumer({**_QUIET, **properties, "group.id": "reader"})
    consumer.assign([TopicPartition(topic, partition, 0)])
    found: list[Message] = []
    deadline = time.monotonic() + WAIT_S
    while len(found) < count and time.monotonic() < deadline:
        found += consumer.consume(count, 0.1)
    consumer.close()
    return found
