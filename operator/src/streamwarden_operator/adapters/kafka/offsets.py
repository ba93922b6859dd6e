"""Committed offsets of groups, and the ends of partitions.

A group's offsets are asked for through a consumer of that group that never joins it. The admin client's own requests
(ListConsumerGroupOffsets, AlterConsumerGroupOffsets) are not used: librdkafka 2.16 ends the whole process with SIGSEGV
when the broker answers one of them with NOT_COORDINATOR, as it does after a restart: its handler of OffsetFetch takes
for granted that the client is a consumer (confluent-kafka-javascript issue 374 has the trace).
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from weakref import WeakValueDictionary

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # the stubs do not export it
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.clients import open_consumer
from streamwarden_kafka.codes import TIMED_OUT, code_of
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.topics import answered_offset

from streamwarden_operator.adapters.kafka.errors import translated
from streamwarden_operator.adapters.kafka.threads import run_to_its_end
from streamwarden_operator.errors import GroupInUseError
from streamwarden_operator.ports import PartitionOffsets

T = TypeVar("T")

_EARLIEST = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_MOST_CONSUMERS = 32
"""Groups whose consumer is kept for the next reading; each has a connection to its coordinator."""
_POLL_S = 0.1
_HAS_MEMBERS = frozenset(
    {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS}
)
"""What Kafka answers to who commits for a group, and is none of its members."""
_NO_MEMBER: Mapping[str, object] = {}
_MEMBER: Mapping[str, object] = {
    "partition.assignment.strategy": "range",
    "auto.offset.reset": "error",
    # If we die in between, the group is without this member soon.
    "session.timeout.ms": 6_000,
}
"""A member that takes part for a moment, as gates and agents do."""


class KafkaOffsets:
    """Implements ``ports.Offsets``."""

    def __init__(self, admin: KafkaAdmin) -> None:
        self._admin = admin
        self._consumers: OrderedDict[str, Consumer] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Of groups that somebody asks for now."""

    async def observe(self, group: str, topic: str) -> Sequence[PartitionOffsets]:
        """Return every partition of the topic. Open transactions count into ``high``."""
        with translated(f"read the offsets of group {group!r} on topic {topic!r}"):
            partitions = await self._admin.until_spread(lambda: self._partitions(topic))
            low = await self._admin.until_spread(lambda: self._ends(topic, partitions, _EARLIEST))
            # In this order: a group that goes on meanwhile must never seem to stand outside its partition.
            committed = await self._admin.until_spread(lambda: self._committed(group, topic, partitions))
            high = await self._admin.until_spread(lambda: self._ends(topic, partitions, _LATEST))
        return [
            PartitionOffsets(
                partition=partition,
                low=low[partition],
                high=high[partition],
                committed=committed[partition][0],
                metadata=committed[partition][1],
            )
            for partition in partitions
        ]

    async def commit(self, group: str, topic: str, offsets: Mapping[int, tuple[int, str]]) -> None:
        """Commit for a group without members.

        Raises:
            GroupInUseError: it has members.
        """
        positions = [
            TopicPartition(topic, partition, offset, metadata=metadata)
            for partition, (offset, metadata) in sorted(offsets.items())
        ]
        if not positions:
            return

        async def alter() -> None:
            self._admin.guard()
            _raise_of_partitions(
                await self._as_member(group, lambda member: member.commit(offsets=positions, asynchronous=False))
            )

        with translated(f"commit the first offsets of group {group!r} on topic {topic!r}"):
            try:
                await self._admin.until_spread(alter)
            except KafkaException as error:
                if code_of(error) not in _HAS_MEMBERS:
                    raise
                raise GroupInUseError(f"group {group!r} has members: only they commit for it") from error

    async def keep(self, group: str, topics: Sequence[str]) -> None:
        """Join the group for a moment, and leave it: the time until its offsets expire begins anew.

        To commit them again would not do. Where a group of the classic protocol has had members, Kafka counts from when
        the last one left, whatever is committed afterwards: measured, the offsets went all the same.
        """
        with translated(f"keep the offsets of group {group!r}"):
            await asyncio.to_thread(self._join_and_leave, group, topics)

    async def _partitions(self, topic: str) -> list[int]:
        futures = self._admin.client.describe_topics(TopicCollection([topic]), request_timeout=self._admin.timeout_s)
        description = (await self._admin.all(futures))[topic]
        return sorted(partition.id for partition in description.partitions)

    async def _ends(self, topic: str, partitions: Sequence[int], spec: OffsetSpec) -> dict[int, int]:
        wanted = {TopicPartition(topic, partition): spec for partition in partitions}
        found = await self._admin.all(self._admin.client.list_offsets(wanted, request_timeout=self._admin.timeout_s))
        return {position.partition: answered_offset(result) for position, result in found.items()}

    async def _committed(self, group: str, topic: str, partitions: Sequence[int]) -> dict[int, tuple[int | None, str]]:
        wanted = [TopicPartition(topic, partition) for partition in partitions]
        answer = await self._as_member(group, lambda member: member.committed(wanted, timeout=self._admin.timeout_s))
        _raise_of_partitions(answer)
        # librdkafka writes "nothing committed" as a negative offset
        return {
            position.partition: (position.offset if position.offset >= 0 else None, position.metadata or "")
            for position in answer
        }

    async def _as_member(self, group: str, ask: Callable[[Consumer], T]) -> T:
        """Ask through a consumer of the group, one question at a time; one that failed is not asked again."""
        async with self._locks.setdefault(group, asyncio.Lock()):
            consumer = self._consumers.pop(group, None) or self._connect(group)
            try:
                result = await run_to_its_end(lambda: ask(consumer))
                consumer.poll(0)  # hands queued log lines and errors over; without it they would pile up
            except BaseException:
                await asyncio.to_thread(consumer.close)
                raise
            self._consumers[group] = consumer
        while len(self._consumers) > _MOST_CONSUMERS:
            _, oldest = self._consumers.popitem(last=False)
            await asyncio.to_thread(oldest.close)
        return result

    def _join_and_leave(self, group: str, topics: Sequence[str]) -> None:
        self._admin.guard()
        joined = False

        def on_assign(member: Consumer, _partitions: Sequence[TopicPartition]) -> None:
            nonlocal joined
            joined = True
            member.assign([])  # nothing is to be read

        consumer = self._connect(group, _MEMBER)
        try:
            consumer.subscribe(list(topics), on_assign=on_assign)
            deadline_s = time.monotonic() + self._admin.timeout_s
            while not joined and time.monotonic() < deadline_s:
                consumer.poll(_POLL_S)
        finally:
            consumer.close()
        if not joined:
            raise KafkaException(KafkaError(TIMED_OUT, "the group was not joined in time"))

    def _connect(self, group: str, settings: Mapping[str, object] = _NO_MEMBER) -> Consumer:
        return open_consumer(self._admin.connection, group, ClientLog("offsets", quiet=True), settings)

    async def close(self) -> None:
        """Let go of all connections."""
        while self._consumers:
            _, consumer = self._consumers.popitem()
            await asyncio.to_thread(consumer.close)


def _raise_of_partitions(answer: Sequence[TopicPartition]) -> None:
    """Raise the first error of a partition: the request as a whole succeeds all the same."""
    for position in answer:
        if position.error is not None:
            raise KafkaException(position.error)
