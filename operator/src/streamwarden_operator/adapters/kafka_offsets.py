"""Committed offsets of groups, and the ends of partitions."""

from collections.abc import Mapping, Sequence

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # the stubs do not export it

from streamwarden_operator.adapters.kafka_admin import KafkaAdmin
from streamwarden_operator.adapters.kafka_errors import translated
from streamwarden_operator.ports import PartitionOffsets

_EARLIEST = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class KafkaOffsets:
    """Implements ``ports.Offsets``."""

    def __init__(self, admin: KafkaAdmin) -> None:
        self._admin = admin

    async def observe(self, group: str, topic: str) -> Sequence[PartitionOffsets]:
        """Return every partition of the topic. Open transactions count into ``high``."""
        with translated(f"read the offsets of group {group!r} on topic {topic!r}"):
            partitions = await self._admin.until_spread(lambda: self._partitions(topic))
            low = await self._admin.until_spread(lambda: self._ends(topic, partitions, _EARLIEST))
            high = await self._admin.until_spread(lambda: self._ends(topic, partitions, _LATEST))
            committed = await self._admin.until_spread(lambda: self._committed(group, topic, partitions))
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
        """Commit for a group without members; with members Kafka refuses."""
        positions = [
            TopicPartition(topic, partition, offset, metadata=metadata)
            for partition, (offset, metadata) in sorted(offsets.items())
        ]
        if not positions:
            return

        async def alter() -> None:
            request = [ConsumerGroupTopicPartitions(group, positions)]
            futures = self._admin.client.alter_consumer_group_offsets(request, request_timeout=self._admin.timeout_s)
            _raise_of_partitions((await self._admin.all(futures))[group])

        with translated(f"commit the first offsets of group {group!r} on topic {topic!r}"):
            await self._admin.until_spread(alter)

    async def _partitions(self, topic: str) -> list[int]:
        futures = self._admin.client.describe_topics(TopicCollection([topic]), request_timeout=self._admin.timeout_s)
        description = (await self._admin.all(futures))[topic]
        return sorted(partition.id for partition in description.partitions)

    async def _ends(self, topic: str, partitions: Sequence[int], spec: OffsetSpec) -> dict[int, int]:
        wanted = {TopicPartition(topic, partition): spec for partition in partitions}
        found = await self._admin.all(self._admin.client.list_offsets(wanted, request_timeout=self._admin.timeout_s))
        return {position.partition: result.offset for position, result in found.items()}

    async def _committed(self, group: str, topic: str, partitions: Sequence[int]) -> dict[int, tuple[int | None, str]]:
        wanted = [TopicPartition(topic, partition) for partition in partitions]
        futures = self._admin.client.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, wanted)], request_timeout=self._admin.timeout_s
        )
        answer = (await self._admin.all(futures))[group]
        _raise_of_partitions(answer)
        # librdkafka writes "nothing committed" as a negative offset
        return {
            position.partition: (position.offset if position.offset >= 0 else None, position.metadata or "")
            for position in answer.topic_partitions
        }


def _raise_of_partitions(answer: ConsumerGroupTopicPartitions) -> None:
    """Raise the first error of a partition: the request as a whole succeeds all the same."""
    for position in answer.topic_partitions or ():
        if position.error is not None:
            raise KafkaException(position.error)
