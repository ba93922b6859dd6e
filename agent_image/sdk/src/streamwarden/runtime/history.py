"""The past: partitions read again from an earlier offset."""

from confluent_kafka import OFFSET_BEGINNING, TopicPartition
from streamwarden_kafka.connection import Connection
from typing_extensions import override

from streamwarden.core.records import Record
from streamwarden.runtime.consumers import Collected, open_input
from streamwarden.runtime.ports import History, Ranges


class KafkaHistory(History):
    """Reads our partitions again from an earlier offset, outside the group."""

    def __init__(self, kafka: Connection, group: str, ranges: Ranges) -> None:
        """Take the records of each partition from the first offset up to, and without, the second."""
        self._until = {at: end for at, (_, end) in ranges.items()}
        self._consumer = open_input(kafka, group)
        self._consumer.assign(
            [TopicPartition(at.topic, at.number, start or OFFSET_BEGINNING) for at, (start, _) in ranges.items()]
        )

    @property
    @override
    def finished(self) -> bool:
        return not self._until

    @override
    def poll(self, *, records: int, timeout_s: float) -> tuple[Record, ...]:
        collected = Collected()
        for message in self._consumer.consume(records, timeout_s):
            collected.add(message)
        wanted = [each for each in collected.records if each.offset < self._until.get(each.at, 0)]
        reached = [(each.at, each.offset + 1) for each in collected.records] + collected.ends
        for at, offset in reached:
            # A record after the range ends it too: what lies before may be markers only.
            if offset >= self._until.get(at, offset + 1):
                del self._until[at]
        return tuple(wanted)

    @override
    def close(self) -> None:
        self._consumer.close()
