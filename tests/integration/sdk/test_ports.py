"""What the SDK's server counts on: the fakes of the unit tests and the adapters answer alike."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from streamwarden.core.records import Outgoing, Partition, Record
from streamwarden.runtime.ports import NO_METADATA
from streamwarden_kafka.errors import ProducerFencedError, TransactionAbortedError, TransactionUnknownError
from support.kafka_tools import WAIT_S
from support.sdk_served import Served, causes, deciding_agent, offsets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamwarden.runtime.ports import Feed, OffsetMetadata, Transactions
    from support.sdk_worlds import World


_NOT_ON_KFAKE = pytest.mark.parametrize(
    "world", ["memory", pytest.param("apache", marks=pytest.mark.broker)], indirect=True
)
"""kfake answers otherwise than Apache Kafka: it knows no group before its first commit, and fences without an end."""


class Poller:
    """Polls members of the group as their servers would, and keeps what they bring."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.ends: dict[Partition, int] = {}

    def until(self, holds: Callable[[], object], *feeds: Feed, records: int = 100) -> None:
        deadline = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < deadline
            for feed in feeds:
                polled = feed.poll(records=records, size=1_000_000, timeout_s=0.1)
                assert len(polled.records) <= records
                self.records += polled.records
                self.ends.update(polled.ends)

    def join(self, *feeds: Feed) -> None:
        """Wait until the members share both partitions."""
        self.until(lambda: sum(len(feed.committed()) for feed in feeds) == 2 and all(map(_has_some, feeds)), *feeds)


def _has_some(feed: Feed) -> bool:
    return bool(feed.committed())


def decisions(*numbers: int) -> list[Outgoing]:
    return [Outgoing(f"page-{n}".encode(), value(n), ()) for n in numbers]


def value(offset: int) -> bytes:
    return (
        b'{"type":"block-page","entity":"page-%d","parameters":{},"cause":{"topic":"pages","partition":0,"offset":%d}}'
        % (offset, offset)
    )


def test_the_decisions_of_these_tests_can_be_read() -> None:
    assert causes([value(7)]) == [(0, 7)]


def test_nothing_comes_before_the_start_and_then_everything_up_to_the_ends(world: World) -> None:
    at, other = Partition(world.topic, 0), Partition(world.topic, 1)
    world.observe(0, 1, 2)
    poller = Poller()
    with closing(world.feed()) as feed:
        poller.join(feed)
        assert feed.committed() == {at: None, other: None}
        assert feed.poll(records=100, size=1_000_000, timeout_s=0.1).records == ()
        feed.start({at: 1, other: None})
        poller.until(lambda: poller.ends.keys() == {at, other}, feed)
    assert offsets_of(poller.records) == [1, 2]
    assert poller.ends == {at: 3, other: 0}
    assert poller.records[0].key == b"page-1"


def test_a_poll_brings_no_more_than_it_is_asked_for(world: World) -> None:
    world.observe(*range(7))
    poller = Poller()
    with closing(world.feed()) as feed:
        poller.join(feed)
        feed.start(feed.committed())
        poller.until(lambda: len(poller.records) == 7, feed, records=3)
    assert offsets_of(poller.records) == list(range(7))


def test_an_end_lies_behind_the_marker_of_a_transaction(world: World) -> None:
    at, other = Partition(world.topic, 0), Partition(world.topic, 1)
    world.observe(0, 1, in_transaction=True)
    poller = Poller()
    with closing(world.feed()) as feed:
        poller.join(feed)
        feed.start(feed.committed())
        poller.until(lambda: poller.ends.keys() == {at, other}, feed)
    assert offsets_of(poller.records) == [0, 1]
    assert poller.ends == world.ends() == {at: 3, other: 0}


def test_positions_alone_are_committed_for_whoever_comes_next(world: World) -> None:
    at, other = Partition(world.topic, 0), Partition(world.topic, 1)
    poller = Poller()
    with closing(world.feed()) as feed:
        poller.join(feed)
        feed.commit({at: 5})
    with closing(world.feed()) as feed:
        poller.join(feed)
        assert feed.committed() == {at: 5, other: None}


def test_a_member_that_is_held_keeps_its_partitions_and_reads_on_from_where_it_is_told(world: World) -> None:
    at, other = Partition(world.topic, 0), Partition(world.topic, 1)
    world.observe(*range(5))
    poller = Poller()
    with closing(world.feed()) as feed:
        poller.join(feed)
        feed.start(feed.committed())
        poller.until(lambda: poller.records, feed, records=2)
        generation = feed.generation
        for _ in range(3):
            feed.hold()
        assert feed.generation == generation
        first = len(poller.records)
        feed.start({at: first, other: None})
        poller.until(lambda: len(poller.records) == 5, feed)
    assert offsets_of(poller.records) == list(range(5))


def test_a_rebalance_while_held_is_heard_of(world: World) -> None:
    poller = Poller()
    with closing(world.feed()) as feed:
        poller.join(feed)
        generation = feed.generation
        with closing(world.feed()) as second:

            def heard() -> bool:
                feed.hold()
                return feed.generation > generation

            poller.until(heard, second)
            poller.join(feed, second)
            assert len(feed.committed()) == 1
        poller.join(feed)


def test_decisions_and_positions_become_visible_together(world: World) -> None:
    at = Partition(world.topic, 0)
    poller = Poller()
    with closing(world.feed()) as feed, closing(world.transactions()) as transactions:
        poller.join(feed)
        transactions.open()
        for number in range(3):
            transactions.commit(decisions(number), {at: number + 1}, feed.metadata())
        assert world.decided() == [(0, 0), (0, 1), (0, 2)]
        assert feed.committed()[at] == 3


def test_positions_of_an_older_generation_abort_the_transaction_and_the_producer_goes_on(world: World) -> None:
    at = Partition(world.topic, 0)
    poller = Poller()
    with closing(world.feed()) as feed, closing(world.transactions()) as transactions:
        poller.join(feed)
        transactions.open()
        before = feed.metadata()
        with closing(world.feed()) as second:
            poller.join(feed, second)
            with pytest.raises(TransactionAbortedError):
                transactions.commit(decisions(0), {at: 1}, before)
            assert world.decided() == []
            assert world.committed() == {}
            transactions.commit(decisions(1), {at: 2}, feed.metadata())
    assert world.decided() == [(0, 1)]
    assert world.committed() == {at: 2}


@_NOT_ON_KFAKE
def test_who_opens_a_transactional_id_fences_whoever_had_it(world: World) -> None:
    at = Partition(world.topic, 0)
    poller = Poller()
    with closing(world.feed()) as feed, closing(world.transactions()) as first, closing(world.transactions()) as second:
        poller.join(feed)
        first.open()
        first.commit(decisions(0), {at: 1}, feed.metadata())
        second.open()
        with pytest.raises(ProducerFencedError):
            first.commit(decisions(1), {at: 2}, feed.metadata())
        second.commit(decisions(2), {at: 3}, feed.metadata())
    assert world.decided() == [(0, 0), (0, 2)]


def test_nothing_is_written_before_a_producer_is_open(world: World) -> None:
    poller = Poller()
    with closing(world.feed()) as feed, closing(world.transactions()) as transactions:
        poller.join(feed)
        for _ in range(2):
            transactions.open()
        transactions.commit(decisions(0), {Partition(world.topic, 0): 1}, feed.metadata())
    assert world.decided() == [(0, 0)]


def test_the_past_ends_where_it_is_told_to_though_markers_stand_there(world: World) -> None:
    at, other = Partition(world.topic, 0), Partition(world.topic, 1)
    world.observe(0, 1, in_transaction=True)
    world.observe(2, in_transaction=True)
    world.observe(3, 4, partition=1)
    found: list[Record] = []
    deadline = time.monotonic() + WAIT_S
    with closing(world.history({at: (1, 5), other: (0, 1)})) as history:
        while not history.finished:
            assert time.monotonic() < deadline
            found += history.poll(records=100, timeout_s=0.1)
    assert sorted((each.partition, each.offset) for each in found) == [(0, 1), (0, 3), (1, 0)]


def test_the_past_ends_with_its_log_where_it_was_to_reach_further(world: World) -> None:
    at = Partition(world.topic, 0)
    world.observe(0, 1)
    found: list[Record] = []
    deadline = time.monotonic() + WAIT_S
    with closing(world.history({at: (0, 5)})) as history:
        while not history.finished:
            assert time.monotonic() < deadline
            found += history.poll(records=100, timeout_s=0.1)
    assert offsets_of(found) == [0, 1]


class LosesAnswers:
    """Transactions that are committed and of which nobody hears."""

    def __init__(self, inner: Transactions, times: int) -> None:
        self._inner = inner
        self._left = times

    def open(self) -> None:
        self._inner.open()

    def commit(
        self,
        records: Sequence[Outgoing],
        positions: Mapping[Partition, int],
        group_metadata: object,
        offset_metadata: OffsetMetadata = NO_METADATA,
    ) -> None:
        self._inner.commit(records, positions, group_metadata, offset_metadata)
        if self._left:
            self._left -= 1
            raise TransactionUnknownError("the answer was lost")

    def close(self) -> None:
        self._inner.close()


@_NOT_ON_KFAKE
async def test_a_server_decides_once_though_the_answers_of_two_transactions_are_lost(world: World) -> None:
    world.observe(*range(20), in_transaction=True)
    world.observe(*range(20, 40), partition=1)
    ports = world.ports()
    lossy = replace(ports, transactions=LosesAnswers(ports.transactions, times=2))
    async with Served(lossy, deciding_agent(), world.topic) as served:
        await served.until(lambda: world.committed() == world.ends())
        world.observe(*range(40, 60))
        await served.until(lambda: world.committed() == world.ends())
    assert world.decided() == sorted([(0, n) for n in (*range(20), *range(21, 41))] + [(1, n) for n in range(20)])


@_NOT_ON_KFAKE
async def test_servers_share_the_partitions_and_hand_them_over(world: World) -> None:
    world.observe(*range(10))
    async with Served(world.ports("pages-0"), deciding_agent(), world.topic) as first:
        await first.until(lambda: world.committed() == world.ends())
        async with Served(world.ports("pages-1"), deciding_agent(), world.topic) as second:
            await second.until(lambda: second.ready)
            world.observe(*range(10, 20))
            world.observe(*range(20, 30), partition=1)
            await second.until(lambda: world.committed() == world.ends())
        world.observe(*range(30, 40), partition=1)
        await first.until(lambda: world.committed() == world.ends())
    assert world.decided() == [(0, n) for n in range(20)] + [(1, n) for n in range(20)]


async def test_x27_an_agent_goes_on_where_the_log_begins_when_retention_was_faster(world: World) -> None:
    at = Partition(world.topic, 0)
    world.observe(0, 1, 2)
    with closing(world.feed()) as feed:
        Poller().join(feed)
        feed.commit({at: 1})
    world.lose_records()
    world.observe(3)
    async with Served(world.ports(), deciding_agent(), world.topic) as served:
        await served.until(lambda: world.decided() == [(0, 3)] and world.committed() == world.ends())
