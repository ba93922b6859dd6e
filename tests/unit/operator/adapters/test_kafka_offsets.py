"""What a group has committed, beside the ends of its partitions, while both move; and how often Kafka is asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiokafka.protocol.commit import (
    OffsetCommitRequest,
    OffsetCommitRequest_v3,
    OffsetCommitResponse_v3,
    OffsetFetchRequest,
    OffsetFetchRequest_v3,
    OffsetFetchResponse_v3,
)
from aiokafka.protocol.coordination import FindCoordinatorRequest, FindCoordinatorResponse_v1
from aiokafka.protocol.metadata import MetadataRequest, MetadataRequest_v1, MetadataResponse_v1
from aiokafka.protocol.offset import OffsetRequest, OffsetRequest_v1, OffsetResponse_v1
from confluent_kafka import Consumer
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.wire.ends import TopicEnds
from streamwarden_kafka.wire.groups import GroupOffsets
from streamwarden_operator.adapters.kafka.offsets import KafkaOffsets
from streamwarden_operator.errors import GroupInUseError, KafkaForbiddenError, KafkaUnavailableError
from streamwarden_operator.ports import PartitionOffsets
from support.mock_broker import mock_broker

if TYPE_CHECKING:
    from collections.abc import Iterable

EARLIEST = -2
UNKNOWN_TOPIC, NOT_COORDINATOR, FORBIDDEN, UNKNOWN_MEMBER = 3, 16, 30, 25


class Kafka:
    """One broker, as the wire client sees it."""

    def __init__(self, **topics: int) -> None:
        self.partitions = topics
        self.committed: dict[tuple[str, str, int], tuple[int, str]] = {}
        self.asked: Counter[str] = Counter()
        self.moves = count(0, 0)
        """Tells where things are: a log that does not move is empty."""
        self.unsaid: set[int] = set()
        """Numbers of partitions of whose committed offsets the coordinator says nothing."""
        self.codes: dict[str, list[int]] = {}
        """What requests of a kind are answered with, one after the other, before they succeed."""

    def learn(self, _brokers: Iterable[object]) -> None:
        """There is one."""

    async def broker(self, _node: int) -> Kafka:
        return self

    async def any_broker(self) -> Kafka:
        return self

    async def ask(self, request: Any) -> Any:
        kind = type(request).__name__
        self.asked[kind] += 1
        code = codes.pop(0) if (codes := self.codes.get(kind)) else 0
        match request:
            case MetadataRequest():
                return self._describe(request.build(MetadataRequest_v1).topics, code)
            case FindCoordinatorRequest():
                return FindCoordinatorResponse_v1(0, code, None, 1, "kafka", 9092)
            case OffsetRequest():
                return self._ends(request.build(OffsetRequest_v1).topics, code)
            case OffsetFetchRequest():
                return self._fetch(request.build(OffsetFetchRequest_v3), code)
            case OffsetCommitRequest():
                return self._commit(request.build(OffsetCommitRequest_v3), code)
            case _:
                raise AssertionError(kind)

    def _describe(self, topics: list[str], code: int) -> Any:
        numbers = {topic: range(self.partitions.get(topic, 0)) for topic in topics}
        errors = {topic: code or (0 if topic in self.partitions else UNKNOWN_TOPIC) for topic in topics}
        described = [
            (errors[topic], topic, False, [(0, number, 1, [1], [1]) for number in numbers[topic]]) for topic in topics
        ]
        return MetadataResponse_v1([(1, "kafka", 9092, None)], 1, described)

    def _ends(self, topics: Any, code: int) -> Any:
        now = next(self.moves)
        return OffsetResponse_v1(
            [
                (topic, [(number, code, -1, now - 1 if now and at == EARLIEST else now) for number, at in wanted])
                for topic, wanted in topics
            ]
        )

    def _fetch(self, wanted: Any, code: int) -> Any:
        now = next(self.moves)
        found = [
            (topic, [(n, *self.committed.get((wanted.consumer_group, topic, n), (now or -1, "")), 0) for n in numbers])
            for topic, numbers in ((name, sorted(set(asked) - self.unsaid)) for name, asked in wanted.topics)
        ]
        return OffsetFetchResponse_v3(0, [] if code else found, code)

    def _commit(self, wanted: Any, code: int) -> Any:
        if not code:
            for topic, offsets in wanted.topics:
                for number, offset, metadata in offsets:
                    self.committed[wanted.consumer_group, topic, number] = (offset, metadata)
        assert (wanted.consumer_id, wanted.consumer_group_generation_id) == ("", -1)
        return OffsetCommitResponse_v3(
            0, [(topic, [(n, code) for n, *_ in offsets]) for topic, offsets in wanted.topics]
        )


def offsets_of(kafka: Kafka, *, spread_s: float = 10.0) -> KafkaOffsets:
    made = KafkaOffsets(KafkaAdmin(Connection("127.0.0.1:1"), spread_s=spread_s))
    made._ends, made._groups = TopicEnds(cast("Any", kafka)), GroupOffsets(cast("Any", kafka))
    return made


async def test_a_group_that_goes_on_while_it_is_observed_never_stands_outside_its_partition() -> None:
    kafka = Kafka(t=1)
    kafka.moves = count(5)  # the log grows, and is cut off right behind the group, between any two requests
    assert await offsets_of(kafka).observe("g", "t") == [PartitionOffsets(0, low=4, high=7, committed=6)]


async def test_agents_that_come_up_together_are_asked_for_in_four_requests_and_one_for_each_group() -> None:
    kafka = Kafka(**{f"t{number}": 3 for number in range(300)})
    offsets = offsets_of(kafka)
    found = await asyncio.gather(*(offsets.observe(f"g{number}", f"t{number}") for number in range(300)))
    assert found == [[PartitionOffsets(partition, 0, 0, None) for partition in range(3)]] * 300
    shared = {"MetadataRequest": 1, "OffsetRequest": 2}
    assert kafka.asked == {**shared, "FindCoordinatorRequest": 300, "OffsetFetchRequest": 300}

    kafka.asked.clear()
    await asyncio.gather(*(offsets.observe(f"g{number}", f"t{number}") for number in range(300)))
    assert kafka.asked == {**shared, "OffsetFetchRequest": 300}


async def test_what_is_committed_is_read_with_its_metadata_and_of_what_has_grown_all_is_read() -> None:
    kafka = Kafka(t=1)
    offsets = offsets_of(kafka)
    await offsets.commit("g", "t", {0: (0, "head")})
    assert await offsets.observe("g", "t") == [PartitionOffsets(0, 0, 0, 0, "head")]
    kafka.partitions["t"] = 2
    assert await offsets.observe("g", "t") == [PartitionOffsets(0, 0, 0, 0, "head"), PartitionOffsets(1, 0, 0, None)]


@pytest.mark.parametrize(
    "kind", ["MetadataRequest", "FindCoordinatorRequest", "OffsetRequest", "OffsetFetchRequest", "OffsetCommitRequest"]
)
async def test_what_has_not_spread_yet_is_asked_again(kind: str) -> None:
    kafka = Kafka(t=1)
    code = NOT_COORDINATOR if kind in {"OffsetFetchRequest", "OffsetCommitRequest"} else UNKNOWN_TOPIC
    kafka.codes[kind] = [code] * 3
    offsets = offsets_of(kafka)
    await offsets.commit("g", "t", {0: (0, "head")})
    assert await offsets.observe("g", "t") == [PartitionOffsets(0, 0, 0, 0, "head")]
    assert kafka.codes[kind] == []


async def test_what_is_refused_is_asked_once_and_is_the_trouble_of_none_but_its_group() -> None:
    kafka = Kafka(t=1)
    offsets = offsets_of(kafka)
    kafka.codes["OffsetFetchRequest"] = [FORBIDDEN]
    both = await asyncio.gather(offsets.observe("a", "t"), offsets.observe("b", "t"), return_exceptions=True)
    assert [type(found) for found in both if isinstance(found, Exception)] == [KafkaForbiddenError]
    assert [found for found in both if not isinstance(found, Exception)] == [[PartitionOffsets(0, 0, 0, None)]]
    assert kafka.asked["OffsetFetchRequest"] == 2


async def test_a_partition_of_which_nothing_is_said_is_none_without_an_offset() -> None:
    """A gate would else begin at 0 in one in which it has judged."""
    kafka = Kafka(t=2)
    kafka.unsaid = {1}
    with pytest.raises(KafkaUnavailableError, match="does not speak of partition 1 of topic 't'"):
        await offsets_of(kafka).observe("g", "t")


async def test_a_topic_that_nobody_knows_is_an_outage_after_a_while_and_nothing_is_guessed_of_it() -> None:
    with pytest.raises(KafkaUnavailableError, match="look at topic 't'"):
        await offsets_of(Kafka(), spread_s=0.1).observe("g", "t")


async def test_x96_a_group_that_has_members_is_told() -> None:
    kafka = Kafka(t=1)
    kafka.codes["OffsetCommitRequest"] = [UNKNOWN_MEMBER]
    with pytest.raises(GroupInUseError, match="group 'g' has members"):
        await offsets_of(kafka).commit("g", "t", {0: (0, "head")})
    assert kafka.committed == {}


@pytest.mark.slow
async def test_x96_nobody_else_commits_for_a_group_with_members() -> None:
    with mock_broker("decisions") as properties:
        offsets = KafkaOffsets(KafkaAdmin(Connection(properties["bootstrap.servers"])))
        await offsets.commit("gate", "decisions", {0: (0, "head")})
        member, joined = Consumer({**properties, "group.id": "gate", "log_level": 0}), list[bool]()
        member.subscribe(["decisions"], on_assign=lambda *_: joined.append(True))
        try:
            async with asyncio.timeout(30):
                while not joined:
                    await asyncio.to_thread(member.poll, 0.1)
            with pytest.raises(GroupInUseError, match="group 'gate' has members"):
                await offsets.commit("gate", "decisions", {0: (0, "head")})
        finally:
            member.close()
            await offsets.close()


async def test_x97_of_groups_that_were_asked_for_once_some_coordinators_are_remembered_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamwarden_kafka.wire.groups._MOST_GROUPS", 10)
    offsets = offsets_of(Kafka(t=1))
    for number in range(50):
        await offsets.observe(f"g{number}", "t")
    assert len(offsets._groups._coordinators) == 10
    assert (len(offsets._ends._topics), offsets._looks._items, offsets._looks._next) == (1, set(), None)
