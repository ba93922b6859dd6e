"""New events on their way through the handlers, while others are fetched and results are written."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Mapping

import structlog

from streamwarden.core.batching import MAX_BATCH_RECORDS
from streamwarden.core.dispatch import Dispatcher
from streamwarden.core.lanes import Lanes
from streamwarden.core.positions import Positions
from streamwarden.core.records import Handled, Partition, Record
from streamwarden.runtime.ports import Clock, Ends, Polled
from streamwarden.runtime.reports import Reports

_MOST_LANES = 1_000
"""Keys with events under way, above which no more are fetched. An event that waits for one with its key needs none."""
_GATHER_S = 0.025
"""Longest wait for handlers that have not begun yet, so that what is done at once shares a transaction."""


class Flow:
    """Hands events to their handlers as they come, and gives out what came of them as they finish."""

    def __init__(self, clock: Clock, dispatcher: Dispatcher, positions: Positions, reports: Reports) -> None:
        """Begin with nothing under way.

        Args:
            clock: time.
            dispatcher: the agent's handlers.
            positions: where each event that is read is noted, and whether there is room for it.
            reports: tells of what came of events.
        """
        self._clock = clock
        self._dispatcher = dispatcher
        self._positions = positions
        self._reports = reports
        self._lanes = Lanes(dispatcher.handle_one)
        self._put_back = deque[Record]()
        """Read, and too far ahead to be handled."""
        self._ends = dict[Partition, int]()
        """Of partitions with such records."""
        self._log = structlog.get_logger()

    @property
    def wants_more(self) -> bool:
        """Whether anything more is to be fetched."""
        return len(self._lanes) < _MOST_LANES

    @property
    def has_results(self) -> bool:
        """Whether there is something to take."""
        return self._lanes.has_results

    @property
    def under_way(self) -> int:
        """How many events are not done."""
        return self._lanes.under_way

    def full(self) -> frozenset[Partition]:
        """Return the partitions of which nothing is to be fetched: ``Positions.full``, and what had to be put back."""
        return self._positions.full() | {record.at for record in self._put_back}

    def add(self, polled: Polled) -> Ends:
        """Hand in what was fetched; what is done already is passed over, and what is too far ahead waits.

        Returns:
            The ends that all is read before.
        """
        if polled.records or self._put_back:
            fetched = [*self._put_back, *polled.records]
            self._put_back.clear()
            new = list[Record]()
            for record in fetched:
                if not self._positions.has_room(record):
                    self._put_back.append(record)
                elif self._positions.take(record):
                    new.append(record)
            self._dispatcher.ask_for_format()
            self._lanes.add(new)
        waiting = {record.at for record in self._put_back}
        ends = {**self._ends, **dict(polled.ends)}
        self._ends = {at: end for at, end in ends.items() if at in waiting}
        return tuple((at, end) for at, end in ends.items() if at not in waiting)

    def restart(self) -> Mapping[Partition, int | None]:
        """Return where to fetch from after an interruption."""
        self._drop_put_back()
        return self._positions.current()

    async def gather(self) -> None:
        """Let what was handed in begin, and end where it waits for nothing."""
        if self.under_way:
            await self._wait(self._lanes.begun(), _GATHER_S)

    async def some(self, timeout_s: float) -> bool:
        """Wait until there is something to take, and tell whether there is."""
        return await self._wait(self._lanes.some(), timeout_s)

    def take(self) -> list[Handled]:
        """Return what came of events since the last time, a transaction's worth of it; for each key in order."""
        handled = self._lanes.take(MAX_BATCH_RECORDS)
        for each in handled:
            self._reports.tell(each)
        return handled

    def drop_waiting(self) -> None:
        """Drop what no handler was called with yet."""
        self._drop_put_back()
        self._lanes.drop_waiting()

    async def leave(self) -> None:
        """End the handlers: whoever owns the partitions next begins with the last commit."""
        self._drop_put_back()
        if left := await self._lanes.cancel():
            self._log.warning("Events left to the next owner of their partitions", records=left)

    def _drop_put_back(self) -> None:
        self._put_back.clear()
        self._ends.clear()

    async def _wait(self, until: Awaitable[None], timeout_s: float) -> bool:
        waiting = asyncio.ensure_future(until)
        try:
            return await self._clock.wait(waiting, timeout_s)
        finally:
            waiting.cancel()
