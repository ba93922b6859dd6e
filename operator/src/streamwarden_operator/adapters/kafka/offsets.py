"""Committed offsets of groups, and the ends of partitions.

They are asked for over the wire client. librdkafka's admin client is not used: its requests to coordinators can end the
whole process (``docs/decisions/2026-11-23-offsets-through-consumers.md``); and a consumer of each group costs threads,
connections and a login for each agent. Only who takes part in a group for a moment is a consumer.
"""

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.batching import Batcher
from streamwarden_kafka.clients import open_consumer
from streamwarden_kafka.codes import TIMED_OUT
from streamwarden_kafka.errors import BrokerUnavailableError, GroupHasMembersError, KafkaClientError
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.records import Partition
from streamwarden_kafka.wire.ends import At, TopicEnds
from streamwarden_kafka.wire.groups import GroupOffsets, Positions

from streamwarden_operator.adapters.kafka.errors import translated
from streamwarden_operator.errors import GroupInUseError
from streamwarden_operator.ports import PartitionOffsets

_CLIENT_ID = "streamwarden-operator-offsets"
_POLL_S = 0.1
_MEMBER: Mapping[str, object] = {
    "partition.assignment.strategy": "range",
    "auto.offset.reset": "error",
    # If we die in between, the group is without this member soon.
    "session.timeout.ms": 6_000,
}
"""A member that takes part for a moment, as gates and agents do."""

_Asked = tuple[str, str]
"""A group, and a topic."""
_Ends = Mapping[Partition, int | KafkaClientError]
_Found = Sequence[PartitionOffsets] | KafkaClientError


class KafkaOffsets:
    """Implements ``ports.Offsets``; who asks at the same time shares requests. All calls from one event loop."""

    def __init__(self, admin: KafkaAdmin) -> None:
        self._admin = admin
        self._wire = admin.wire(_CLIENT_ID)
        self._ends = TopicEnds(self._wire)
        self._groups = GroupOffsets(self._wire)
        self._looks: Batcher[_Asked, Mapping[_Asked, _Found]] = Batcher(self._look)

    async def observe(self, group: str, topic: str) -> Sequence[PartitionOffsets]:
        """Return every partition of the topic. Open transactions count into ``high``."""

        async def look() -> Sequence[PartitionOffsets]:
            found = (await self._looks.get([(group, topic)]))[group, topic]
            if isinstance(found, KafkaClientError):
                raise found
            return found

        with translated(f"read the offsets of group {group!r} on topic {topic!r}"):
            return await self._admin.until_spread(look)

    async def commit(self, group: str, topic: str, offsets: Mapping[int, tuple[int, str]]) -> None:
        """Commit for a group without members.

        Raises:
            GroupInUseError: it has members.
        """
        positions = {(topic, partition): position for partition, position in offsets.items()}
        if not positions:
            return

        async def alter() -> None:
            self._admin.guard()
            await self._groups.commit(group, positions)

        with translated(f"commit the first offsets of group {group!r} on topic {topic!r}"), _in_use():
            await self._admin.until_spread(alter)

    async def keep(self, group: str, topics: Sequence[str]) -> None:
        """Join the group for a moment, and leave it: the time until its offsets expire begins anew.

        To commit them again would not do. Where a group of the classic protocol has had members, Kafka counts from when
        the last one left, whatever is committed afterwards: measured, the offsets went all the same.
        """
        with translated(f"keep the offsets of group {group!r}"):
            await asyncio.to_thread(self._join_and_leave, group, topics)

    async def _look(self, asked: Collection[_Asked]) -> Mapping[_Asked, _Found]:
        """Look at many groups at once: beginnings, then what is committed, then ends.

        In this order: a group that goes on meanwhile must never seem to stand outside its partition.
        """
        topics = {topic for _, topic in asked}
        failed = await self._ends.look_up(topics)
        known = {topic: failed.get(topic, numbers) for topic, numbers in (await self._ends.partitions(topics)).items()}
        partitions = {
            topic: [(topic, number) for number in numbers]
            for topic, numbers in known.items()
            if not isinstance(numbers, KafkaClientError)
        }
        everywhere = [at for own in partitions.values() for at in own]
        wanted: dict[str, list[Partition]] = {}
        for group, topic in asked:
            wanted.setdefault(group, []).extend(partitions.get(topic, ()))
        low = await self._ends.offsets(everywhere, At.BEGINNING, committed=False)
        committed = await self._groups.positions({group: own for group, own in wanted.items() if own})
        high = await self._ends.offsets(everywhere, At.END, committed=False)
        found: dict[_Asked, _Found] = {}
        for group, topic in asked:
            numbers, positions = known[topic], committed.get(group, {})
            if isinstance(numbers, KafkaClientError):
                found[group, topic] = numbers
            elif isinstance(positions, KafkaClientError):
                found[group, topic] = positions
            else:
                found[group, topic] = _offsets_of(partitions[topic], low, positions, high)
        return found

    def _join_and_leave(self, group: str, topics: Sequence[str]) -> None:
        self._admin.guard()
        joined = False

        def on_assign(member: Consumer, _partitions: Sequence[TopicPartition]) -> None:
            nonlocal joined
            joined = True
            member.assign([])  # nothing is to be read

        consumer = open_consumer(self._admin.connection, group, ClientLog("offsets", quiet=True), _MEMBER)
        try:
            consumer.subscribe(list(topics), on_assign=on_assign)
            deadline_s = time.monotonic() + self._admin.timeout_s
            while not joined and time.monotonic() < deadline_s:
                consumer.poll(_POLL_S)
        finally:
            consumer.close()
        if not joined:
            raise KafkaException(KafkaError(TIMED_OUT, "the group was not joined in time"))

    async def close(self) -> None:
        """Let go of all connections."""
        await self._wire.close()


def _offsets_of(partitions: Collection[Partition], low: _Ends, committed: Positions, high: _Ends) -> _Found:
    found = []
    for at in partitions:
        begin, end = low[at], high[at]
        if isinstance(begin, KafkaClientError):
            return begin
        if isinstance(end, KafkaClientError):
            return end
        if at not in committed:  # unknown is not "nothing": the next offset would be a guess
            return BrokerUnavailableError(f"the coordinator does not speak of partition {at[1]} of topic {at[0]!r}")
        offset, metadata = committed[at]
        found.append(PartitionOffsets(at[1], begin, end, offset, metadata))
    return found


@contextmanager
def _in_use() -> Iterator[None]:
    try:
        yield
    except GroupHasMembersError as error:
        raise GroupInUseError(str(error)) from error
