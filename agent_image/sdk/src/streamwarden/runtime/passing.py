"""Where to read on in each partition, also behind what cannot be read: no record of an input may end the reading."""

from collections.abc import Callable, Mapping

import structlog
from confluent_kafka import OFFSET_BEGINNING
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import KafkaClientError, NotReachedError

from streamwarden.core.records import Partition, Record, UnreadableBatch
from streamwarden.runtime.consumers import Collected

FindBatch = Callable[[Partition, int], tuple[int, int]]
"""Returns the first and last offset of the batch that is read next at an offset, whatever is in it."""
FindStart = Callable[[Partition], int]
"""Returns the first offset that a log still has."""


def find_batches(kafka: Connection, group: str) -> FindBatch:
    """Return how to find batches by their headers, which are asked for beside the client that reads."""

    def find(at: Partition, offset: int) -> tuple[int, int]:
        from streamwarden_kafka.wire.raw import fetch_batch  # 20 MB that hardly any agent needs

        header = fetch_batch(kafka, f"{group}-pass", at.topic, at.number, offset).header
        return header.base, header.last

    return find


class Passing:
    """Knows which offset comes next in each partition, and finds the end of what cannot be read there."""

    def __init__(self, find_batch: FindBatch, find_start: FindStart) -> None:
        """Begin with no partition.

        Args:
            find_batch: asks a broker.
            find_start: likewise.
        """
        self._find_batch = find_batch
        self._find_start = find_start
        self._next: dict[Partition, int] = {}
        self._log = structlog.get_logger()

    @property
    def positions(self) -> Mapping[Partition, int]:
        """Where to read on, as the client takes it."""
        return self._next

    def start(self, positions: Mapping[Partition, int | None]) -> None:
        """Read these and no others from now on; None is the beginning."""
        self._next = {at: OFFSET_BEGINNING if offset is None else offset for at, offset in positions.items()}

    def stop(self, at: Partition) -> None:
        """Read no more of a partition."""
        self._next.pop(at, None)

    def follow(self, collected: Collected) -> list[Record]:
        """Move on behind what was read, and behind each batch that could not be.

        Where the end of one is not known, its partition stays before it: it is tried again.

        Returns:
            A record in the place of each batch that is passed over.
        """
        for record in collected.records:
            self._next[record.at] = record.offset + 1
        for at in collected.gone:
            self.stop(at)
        passed = list[Record]()
        for at, why in collected.unreadable.items():
            if at not in self._next:
                continue
            try:
                record = self._pass(at, why, collected.topic_ids.get(at.topic, ""))
            except NotReachedError as error:
                self._next[at] = error.reached  # what lies before has no events: the client reads on from here
            except KafkaClientError as error:
                self._log.warning(
                    "A batch that cannot be read is not found yet",
                    topic=at.topic,
                    partition=at.number,
                    problem=why,
                    code=str(error),
                )
            else:
                self._next[at] = record.last + 1
                passed.append(record)
        return passed

    def _pass(self, at: Partition, why: str, topic_id: str) -> Record:
        position = max(self._next.get(at, 0), self._find_start(at))
        first, last = self._find_batch(at, position)
        batch = UnreadableBatch(max(position, last), why)
        return Record(at.topic, at.number, max(position, first), 0, None, None, (), topic_id, batch)
