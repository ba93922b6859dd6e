"""A batch of the past through the handlers while the group hears of us, however long they take."""

import asyncio
from collections.abc import Sequence

import structlog

from streamwarden.core.batching import BatchSize
from streamwarden.core.dispatch import Dispatcher
from streamwarden.core.records import Handled, Record
from streamwarden.runtime.client_thread import ClientThread
from streamwarden.runtime.ports import Ports
from streamwarden.runtime.reports import Reports

HOLD_S = 1.0
"""How often the group hears of us while a batch takes long."""
GRACE_S = 10.0
"""How long what is at work may still take once we are told to stop; then it is left to the next process."""


class Handling:
    """Runs batches, one at a time: those of the past, after which nothing is fetched anyway until it is all known.

    Attributes:
        size: how many records the next batch should have.
        reports: tells of what came of them.
    """

    def __init__(self, ports: Ports, thread: ClientThread, dispatcher: Dispatcher, stop: asyncio.Event) -> None:
        self.size = BatchSize()
        self.reports = Reports()
        self._feed = ports.feed
        self._clock = ports.clock
        self._thread = thread
        self._dispatcher = dispatcher
        self._stop = stop
        self._log = structlog.get_logger()

    async def handle(self, records: Sequence[Record], generation: int, *, replay: bool = False) -> list[Handled] | None:
        """Return what came of each record of a batch, in their order.

        None where it was given up: its partitions are somebody else's now, or we are to stop and it took ten seconds
        more. Its handlers have ended then, and nothing that they did counts.

        Args:
            records: the batch, at least one record.
            generation: of the group, when it was polled.
            replay: whether they are past events.
        """
        started_s = self._clock.now_s()
        work = asyncio.create_task(self._dispatcher.handle(records, replay=replay))
        try:
            finished = await self._wait(work, generation)
        finally:
            if not work.done():  # no handler goes on beyond the batch
                work.cancel()
                await asyncio.wait({work})
        if not finished:
            self._log.warning("Batch left to the next owner of its partitions", records=len(records))
            return None
        handled = work.result()
        self.size = self.size.after(records=len(records), seconds=self._clock.now_s() - started_s)
        for each in handled:
            self.reports.tell(each, replay=replay)
        return handled

    async def _wait(self, work: asyncio.Task[list[Handled]], generation: int) -> bool:
        """Wait for a batch, and tell whether it is done; it is not where it is no longer ours, or we are to stop."""
        stopped_s: float | None = None
        while not await self._clock.wait(work, HOLD_S):
            await self._thread.call(self._feed.hold)
            if stopped_s is None and self._stop.is_set():
                stopped_s = self._clock.now_s()
            late = stopped_s is not None and self._clock.now_s() - stopped_s >= GRACE_S
            if late or generation != self._feed.generation:
                return False
        return True
