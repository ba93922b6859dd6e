"""Where topics begin and end: leaders, and offsets asked of them, one request a broker."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest

from streamwarden_kafka.errors import BrokerUnavailableError, KafkaClientError, NotSpreadError
from streamwarden_kafka.records import Partition
from streamwarden_kafka.wire.connections import NO_ERROR, Wire, refusal

_KNOWN_FOR_S = 60.0
"""A topic's partitions are asked for again after so long: they may have grown."""
_FORGOTTEN_AFTER_S = 3_600.0 + _KNOWN_FOR_S
"""A topic that nobody has asked for in the longest ``pollingInterval``."""

_NO_REPLICA = -1
_UNCOMMITTED, _COMMITTED = 0, 1
"""Isolation levels: with the second, what lies in open transactions is beyond the end."""


class At(IntEnum):
    """Which offset of a partition; the values are the protocol's."""

    BEGINNING = -2
    END = -1


@dataclass(slots=True)
class _Topic:
    leaders: Mapping[int, int]
    """Broker by partition."""
    read_at_s: float
    wanted_at_s: float


class TopicEnds:
    """Knows the leaders of the topics that are asked for, and asks them."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._topics: dict[str, _Topic] = {}

    async def partitions(self, topics: Collection[str]) -> dict[str, tuple[int, ...] | KafkaClientError]:
        """Return the partitions of each topic, or why they are not known. Asking makes no topic."""
        now_s = asyncio.get_running_loop().time()
        stale = [topic for topic in topics if not self._is_known(topic, now_s)]
        failed: dict[str, KafkaClientError] = {}
        if stale:
            failed = await self._look_up(stale, now_s)
        found: dict[str, tuple[int, ...] | KafkaClientError] = {}
        for topic in topics:
            known = self._topics.get(topic)
            if known is None:
                found[topic] = failed.get(topic) or BrokerUnavailableError(f"nothing is known of topic {topic!r}")
            else:
                known.wanted_at_s = now_s
                found[topic] = tuple(known.leaders)
        return found

    async def look_up(self, topics: Collection[str]) -> dict[str, KafkaClientError]:
        """Ask anew for the partitions of topics, and return the errors: they may have grown since they were known."""
        return await self._look_up(list(topics), asyncio.get_running_loop().time()) if topics else {}

    async def offsets(
        self, partitions: Collection[Partition], at: At, *, committed: bool
    ) -> dict[Partition, int | KafkaClientError]:
        """Return one offset of each partition, or why it could not be had.

        Args:
            partitions: of topics that ``partitions`` knows.
            at: which offset.
            committed: whether the end is what a read_committed reader can reach.
        """
        by_leader, unknown = self.by_leader(partitions)
        found: dict[Partition, int | KafkaClientError] = {
            (topic, number): NotSpreadError(f"partition {number} of topic {topic!r} has no leader")
            for topic, number in unknown
        }
        asked = [self._ask(leader, asked, at, committed=committed) for leader, asked in by_leader.items()]
        for answer in await asyncio.gather(*asked):
            found |= answer
        return found

    def by_leader(self, partitions: Iterable[Partition]) -> tuple[dict[int, list[Partition]], list[Partition]]:
        """Return the partitions by their leader, and those that have none, which are looked up again next time."""
        led: defaultdict[int, list[Partition]] = defaultdict(list)
        unled: list[Partition] = []
        for topic, number in partitions:
            known = self._topics.get(topic)
            leader = _NO_REPLICA if known is None else known.leaders.get(number, _NO_REPLICA)
            if leader == _NO_REPLICA:
                unled.append((topic, number))
            else:
                led[leader].append((topic, number))
        for topic, _ in unled:
            self._topics.pop(topic, None)
        return led, unled

    def _is_known(self, topic: str, now_s: float) -> bool:
        known = self._topics.get(topic)
        return known is not None and now_s - known.read_at_s < _KNOWN_FOR_S

    async def _look_up(self, topics: list[str], now_s: float) -> dict[str, KafkaClientError]:
        """Take in what the cluster says of these topics, and return the errors."""
        for topic in [name for name, known in self._topics.items() if now_s - known.wanted_at_s > _FORGOTTEN_AFTER_S]:
            del self._topics[topic]
        try:
            answer = await (await self._wire.any_broker()).ask(MetadataRequest(topics, allow_auto_topic_creation=False))
        except KafkaClientError as error:
            # What was known may still be so: whoever leads a partition no more says so himself.
            return dict.fromkeys(topics, error)
        self._wire.learn((node, host, port) for node, host, port, *_ in answer.brokers)
        failed: dict[str, KafkaClientError] = {}
        for code, topic, _internal, partitions in answer.topics:
            if code == NO_ERROR:
                leaders = {number: leader for _code, number, leader, *_ in sorted(partitions, key=lambda each: each[1])}
                self._topics[topic] = _Topic(leaders, now_s, now_s)
            else:
                self._topics.pop(topic, None)
                failed[topic] = refusal(code, f"look at topic {topic!r}")
        return failed

    async def _ask(
        self, leader: int, partitions: list[Partition], at: At, *, committed: bool
    ) -> dict[Partition, int | KafkaClientError]:
        by_topic: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for topic, number in partitions:
            by_topic[topic].append((number, int(at)))
        isolation = _COMMITTED if committed else _UNCOMMITTED
        try:
            broker = await self._wire.broker(leader)
            answer = await broker.ask(OffsetRequest(_NO_REPLICA, isolation, list(by_topic.items())))
        except KafkaClientError as error:
            for topic in by_topic:
                self._topics.pop(topic, None)
            return dict.fromkeys(partitions, error)
        found: dict[Partition, int | KafkaClientError] = {}
        for topic, answers in answer.topics:
            for number, code, _timestamp, offset in answers:
                if code == NO_ERROR:
                    found[topic, number] = offset
                else:
                    self._topics.pop(topic, None)
                    found[topic, number] = refusal(code, f"read the end of partition {number} of topic {topic!r}")
        return found
