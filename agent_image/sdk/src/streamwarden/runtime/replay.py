"""Past events for handlers that keep them in memory: what was committed before this process knew of it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import structlog

from streamwarden.core.commands import MAX_IDS
from streamwarden.core.offset_metadata import is_finished
from streamwarden.core.records import Handled, Partition
from streamwarden.core.seen import Seen
from streamwarden.runtime.client_thread import ClientThread
from streamwarden.runtime.handling import HOLD_S, Handling
from streamwarden.runtime.ports import History, Ports

_POLL_S = 0.25
_PROGRESS_S = 5.0
_NOTHING: Mapping[Partition, int] = MappingProxyType({})


class _Past(NamedTuple):
    """What is finished of a partition."""

    low: int
    beyond: int

    @property
    def end(self) -> int:
        """The offset after the last event that is finished."""
        return self.low + 1 + self.beyond.bit_length() if self.beyond else self.low

    def has(self, offset: int) -> bool:
        """Whether the event at ``offset`` is finished."""
        return is_finished(offset, self.low, self.beyond)


class Replay:
    """Knows how far the handlers' memory reaches, also in partitions that are not ours now."""

    def __init__(
        self,
        ports: Ports,
        thread: ClientThread,
        handling: Handling,
        topics: frozenset[str],
        stop: asyncio.Event,
        deduplicated: frozenset[str] = frozenset(),
    ) -> None:
        """Begin with handlers that remember nothing.

        Args:
            ports: the past, the group and time.
            thread: where Kafka's clients are asked.
            handling: runs the batches, and says how large they are.
            topics: those whose past is handed in.
            stop: ends a replay between two batches.
            deduplicated: topics of which the last events are handed in for their ids: ``MAX_IDS`` offsets, shared
                evenly by the partitions.
        """
        self._ports = ports
        self._thread = thread
        self._handling = handling
        self._replayed = topics
        self._topics = topics | deduplicated
        self._stop = stop
        self._seen: defaultdict[Partition, Seen] = defaultdict(Seen)
        self._topic_ids = dict[Partition, str]()
        """Of which topics that is."""
        self._log = structlog.get_logger()

    def remember(self, handled: Iterable[Handled]) -> None:
        """Note what the handlers have seen, whether it is committed or not: nothing of it is handed in again."""
        for each in handled:
            if each.record.topic in self._topics:
                self._seen[each.record.at].add(each.record.offset)

    def pass_all(self, before: Mapping[Partition, int]) -> None:
        """Note that of these partitions nothing is left to see before these offsets: to keep less in mind."""
        for at, offset in before.items():
            if at.topic in self._topics:
                self._seen[at].pass_to(offset)

    def forget(self, at: Partition) -> None:
        """Take what is in a partition as not seen yet: its log is another one now."""
        self._seen.pop(at, None)

    def take_up(self, partitions: Iterable[Partition], topic_ids: Mapping[str, str]) -> None:
        """Forget what was seen of partitions whose topic was made again meanwhile; those given back to us late, too."""
        for at in partitions:
            found = topic_ids.get(at.topic)
            if found is not None and self._topic_ids.setdefault(at, found) != found:
                self.forget(at)
                self._topic_ids[at] = found

    async def run(
        self, committed: Mapping[Partition, int | None], generation: int, beyond: Mapping[Partition, int] = _NOTHING
    ) -> bool:
        """Hand in what was committed and is not in the handlers' memory. False where it was interrupted.

        An interrupted one goes on after its last whole batch when it is run again; events of a batch that was given up
        midway may be handed in twice.

        Args:
            committed: of each of our partitions the offset to end before, or None where nothing is committed.
            generation: of the group, when it gave them to us.
            beyond: events after these offsets that are finished too, as ``Window`` has them.
        """
        past = {
            at: _Past(end, beyond.get(at, 0))
            for at, end in committed.items()
            if end is not None and at.topic in self._topics
        }
        ranges = self._ranges(past)
        if not ranges:
            return True
        started_s = self._ports.clock.now_s()
        offsets = sum(end - start for start, end in ranges.values())
        self._log.info("Replay begins", partitions=len(ranges), offsets=offsets)
        history = await self._thread.call(self._ports.history, ranges)
        try:
            count = await self._read(history, generation, past)
        finally:
            await self._thread.call(history.close)
        if count is None:
            return False
        self.pass_all({at: past[at].low for at in ranges})
        self._log.info("Replay finished", records=count, seconds=round(self._ports.clock.now_s() - started_s, 3))
        return True

    def _ranges(self, past: Mapping[Partition, "_Past"]) -> dict[Partition, tuple[int, int]]:
        ids = MAX_IDS // max(1, sum(at.topic not in self._replayed for at in past))
        ranges = dict[Partition, tuple[int, int]]()
        for at, each in past.items():
            start = self._seen[at].low
            if at.topic not in self._replayed:
                start = max(start, each.end - ids)
            if start < each.end:
                ranges[at] = (start, each.end)
        return ranges

    async def _read(self, history: History, generation: int, past: Mapping[Partition, "_Past"]) -> int | None:
        """Return how many records there were, or None where we are to stop or the partitions went elsewhere."""
        count, told_s = 0, self._ports.clock.now_s()
        held_s = told_s
        while not history.finished:
            read = await self._thread.call(history.poll, records=self._handling.size.records, timeout_s=_POLL_S)
            records = [
                each for each in read if past[each.at].has(each.offset) and each.offset not in self._seen[each.at]
            ]
            if records:
                handled = await self._handling.handle(records, generation, replay=True)
                if handled is None:
                    return None
                self.remember(handled)
            self.pass_all({each.at: min(each.offset + 1, past[each.at].low) for each in read})
            count += len(records)
            now_s = self._ports.clock.now_s()
            if now_s - held_s > HOLD_S:
                held_s = now_s
                await self._thread.call(self._ports.feed.hold)
            if self._stop.is_set() or self._ports.feed.generation != generation:
                return None
            if now_s - told_s > _PROGRESS_S:
                told_s = now_s
                self._log.info("Replay goes on", records=count)
        return count
