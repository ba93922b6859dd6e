"""What a reading does with more doubtful partitions than it can look into: nobody is woken for a marker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.wire.ends import At
from streamwarden_operator.adapters.kafka.lags import MOST_CHECKED, MOST_TRIES, KafkaLags
from streamwarden_operator.ports import GroupLag, GroupReads

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from streamwarden_kafka.records import Partition
    from streamwarden_operator.plans.lag import Span


class Kafka:
    """Topics of one partition; every group has committed 10, and behind it comes what is said."""

    def __init__(self) -> None:
        self.ends: dict[str, int] = {}
        self.with_records: set[str] = set()
        self.silent: set[str] = set()
        """Topics whose leader does not answer a fetch."""
        self.checks: list[frozenset[str]] = []
        """What each reading has looked into."""

    async def partitions(self, topics: Iterable[str]) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(topics, (0,))

    async def offsets(self, wanted: Iterable[Partition], at: At, *, committed: bool) -> dict[Partition, int]:
        del committed
        return {each: self.ends[each[0]] if at is At.END else 0 for each in wanted}

    async def committed(self, wanted: Mapping[str, Collection[Partition]]) -> dict[str, dict[Partition, int]]:
        return {group: dict.fromkeys(own, 10) for group, own in wanted.items()}

    async def holds_record(self, spans: Mapping[Partition, Span]) -> dict[Partition, bool]:
        self.checks.append(frozenset(topic for topic, _ in spans))
        return {at: at[0] in self.with_records for at in spans if at[0] not in self.silent}


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


@pytest.fixture
def lags(kafka: Kafka) -> KafkaLags:
    made: Any = KafkaLags(Connection(""))
    made._ends = made._groups = made._check = kafka
    return made  # type: ignore[no-any-return]  # a KafkaLags over a fake


def agents(kafka: Kafka, count: int, *, exact: bool = True) -> list[GroupReads]:
    """So many agents, each with one input that has one offset more than was processed: a marker."""
    kafka.ends |= {f"t{number}": 11 for number in range(count)}
    return [GroupReads(f"g{number}", (f"t{number}",), earliest=True, exact=exact) for number in range(count)]


async def test_x92_of_more_doubtful_partitions_than_one_reading_fetches_none_counts_as_lag(
    kafka: Kafka, lags: KafkaLags
) -> None:
    wanted = agents(kafka, MOST_CHECKED + 150)
    found = await lags.read(wanted)
    assert set(found.values()) == {GroupLag(0, 1)}
    assert len(found) == MOST_CHECKED


async def test_x92_those_that_were_left_out_come_next_and_each_has_its_turn(kafka: Kafka, lags: KafkaLags) -> None:
    wanted = agents(kafka, 3 * MOST_CHECKED + 1)
    kafka.with_records.add("t7")
    told: dict[GroupReads, object] = {}
    for readings in range(1, 5):
        told |= await lags.read([reads for reads in wanted if reads not in told])
        assert len(told) == min(readings * MOST_CHECKED, len(wanted))
    assert told.pop(wanted[7]) == GroupLag(1, 1)
    assert set(told.values()) == {GroupLag(0, 1)}


async def test_x92_who_has_waited_longest_is_looked_into_first_also_where_its_topic_grows(
    kafka: Kafka, lags: KafkaLags
) -> None:
    wanted = agents(kafka, 2 * MOST_CHECKED)
    first = await lags.read(wanted)
    kafka.ends = {topic: end + 2 for topic, end in kafka.ends.items()}
    second = await lags.read(wanted)
    assert not first.keys() & second.keys()
    assert len(first.keys() | second.keys()) == len(wanted)


async def test_x92_a_leader_that_does_not_answer_wakes_nobody_at_once_and_hides_no_lag_for_ever(
    kafka: Kafka, lags: KafkaLags
) -> None:
    (wanted,) = agents(kafka, 1)
    kafka.silent.add("t0")
    for _ in range(MOST_TRIES - 1):
        assert await lags.read([wanted]) == {}
    assert await lags.read([wanted]) == {wanted: GroupLag(1, 1)}
    kafka.silent.clear()
    assert await lags.read([wanted]) == {wanted: GroupLag(0, 1)}


async def test_the_lag_of_agents_that_run_counts_as_it_is_until_their_turn_comes(kafka: Kafka, lags: KafkaLags) -> None:
    wanted = agents(kafka, MOST_CHECKED + 50, exact=False)
    assert set((await lags.read(wanted)).values()) == {GroupLag(1, 1)}
    assert kafka.checks == [frozenset()]
    found = list((await lags.read(wanted)).values())
    assert (found.count(GroupLag(0, 1)), found.count(GroupLag(1, 1))) == (MOST_CHECKED, 50)
