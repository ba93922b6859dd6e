"""Finds out whether offsets that nobody has processed hold a record at all: transaction markers take offsets too.

It reads as the agents do (read_committed): markers, records of aborted transactions and what compaction took away count
as nothing. It is bounded in rounds and bytes; a partition without an answer is left out, and its lag counts as it is.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping

from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.protocol.fetch import FetchRequest
from streamwarden_kafka.errors import KafkaClientError
from streamwarden_kafka.records import Partition
from streamwarden_kafka.wire.batches import Scan, scan
from streamwarden_kafka.wire.connections import NO_ERROR, Wire
from streamwarden_kafka.wire.ends import At, TopicEnds
from streamwarden_kafka.wire.raw import find_aborted

from streamwarden_operator.plans.lag import Span

_ROUNDS = 16
"""Requests for one partition: together 1 MiB of aborted records are passed over."""
_PARTITION_BYTES = 65_536
"""One record is enough. Brokers send the first batch whole, however large."""
_ANSWER_BYTES = 4_194_304
_READ_COMMITTED = 1

_OUT_OF_RANGE = "out of range"
_Answer = Scan | str | None
"""``_OUT_OF_RANGE``, or None for any other error."""


class RecordCheck:
    """Reads a little from some partitions, now and then."""

    def __init__(self, wire: Wire, ends: TopicEnds) -> None:
        self._wire = wire
        self._ends = ends

    async def holds_record(self, spans: Mapping[Partition, Span]) -> dict[Partition, bool]:
        """Tell of each span whether it holds a record; those without an answer are left out."""
        found: dict[Partition, bool] = {}
        left = {at: span.begin for at, span in spans.items()}
        for _ in range(_ROUNDS):
            before = dict(left)
            answers = await self._fetch(left)
            answers |= await self._beginnings([at for at, answer in answers.items() if answer == _OUT_OF_RANGE])
            for at, answer in answers.items():
                if isinstance(answer, Scan):
                    _take(at, answer, spans[at], left, found)
                else:
                    del left[at]
            if not left or left == before:
                break
        return found

    async def _beginnings(self, partitions: list[Partition]) -> dict[Partition, _Answer]:
        """Go to the beginning of partitions whose first records retention has deleted."""
        found = await self._ends.offsets(partitions, At.BEGINNING, committed=False)
        return {at: None if isinstance(low, KafkaClientError) else Scan(None, low) for at, low in found.items()}

    async def _fetch(self, offsets: Mapping[Partition, int]) -> dict[Partition, _Answer]:
        by_leader, unknown = self._ends.by_leader(offsets)
        asked = [self._ask(leader, {at: offsets[at] for at in own}) for leader, own in by_leader.items()]
        found: dict[Partition, _Answer] = dict.fromkeys(unknown)
        for answers in await asyncio.gather(*asked):
            found |= answers
        return found

    async def _ask(self, leader: int, offsets: Mapping[Partition, int]) -> dict[Partition, _Answer]:
        by_topic: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for (topic, number), offset in offsets.items():
            by_topic[topic].append((number, offset, _PARTITION_BYTES))
        request = FetchRequest(
            max_wait_time=0,
            min_bytes=0,
            max_bytes=_ANSWER_BYTES,
            isolation_level=_READ_COMMITTED,
            topics=list(by_topic.items()),
        )
        try:
            answer = await (await self._wire.broker(leader)).ask(request)
        except KafkaClientError:
            return dict.fromkeys(offsets)
        found: dict[Partition, _Answer] = dict.fromkeys(offsets)
        for topic, answers in answer.topics:
            for number, code, _high, _stable, *others, data in answers:
                found[topic, number] = _read(code, data or b"", find_aborted(others))
        return found


def _read(code: int, data: bytes, aborted: list[tuple[int, int]]) -> _Answer:
    if code == OffsetOutOfRangeError.errno:
        return _OUT_OF_RANGE
    if code != NO_ERROR:
        return None
    try:
        return scan(data, aborted)
    except ValueError:
        return None


def _take(at: Partition, answer: Scan, span: Span, left: dict[Partition, int], found: dict[Partition, bool]) -> None:
    """Note what an answer says of a span, or where to go on in it."""
    if answer.record is not None:
        found[at] = answer.record < span.end
    elif answer.reached is not None and answer.reached >= span.end:
        found[at] = False
    else:
        left[at] = left[at] if answer.reached is None else answer.reached
        return
    del left[at]
