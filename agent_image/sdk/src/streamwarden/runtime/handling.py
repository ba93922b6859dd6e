"""A batch through the handlers while the group hears of us, however long they take."""

import asyncio
from collections.abc import Sequence

import structlog

from streamwarden.core.batching import BatchSize
from streamwarden.core.dispatch import Dispatcher
from streamwarden.core.records import Handled, Record
from streamwarden.core.tally import Tally, is_worth_telling
from streamwarden.runtime.client_thread import ClientThread
from streamwarden.runtime.ports import Ports

HOLD_S = 1.0
"""How often the group hears of us while a batch takes long."""
_GRACE_S = 10.0
"""How long a batch may still take once we are told to stop; then it is left to the next process."""


class Handling:
    """Runs batches, one at a time.

    Attributes:
        size: how many records the next batch should have.
        held: whether fetching was interrupted for a batch that took long.
    """

    def __init__(self, ports: Ports, thread: ClientThread, dispatcher: Dispatcher, stop: asyncio.Event) -> None:
        self.size = BatchSize()
        self.held = False
        self._feed = ports.feed
        self._clock = ports.clock
        self._thread = thread
        self._dispatcher = dispatcher
        self._dropped = Tally()
        self._given_up = Tally()
        self._repeated = Tally()
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
            self._report(each, replay=replay)
        return handled

    async def _wait(self, work: asyncio.Task[list[Handled]], generation: int) -> bool:
        """Wait for a batch, and tell whether it is done; it is not where it is no longer ours, or we are to stop."""
        stopped_s: float | None = None
        while not await self._clock.wait(work, HOLD_S):
            self.held = True
            await self._thread.call(self._feed.hold)
            if stopped_s is None and self._stop.is_set():
                stopped_s = self._clock.now_s()
            late = stopped_s is not None and self._clock.now_s() - stopped_s >= _GRACE_S
            if late or generation != self._feed.generation:
                return False
        return True

    def _report(self, handled: Handled, *, replay: bool) -> None:
        for attribute in sorted(handled.dropped) if not replay else ():
            topic = handled.record.topic
            count = self._dropped.add(topic, handled.source, attribute)
            if is_worth_telling(count):
                self._log.warning(
                    "Attribute that is not valid left out of events",
                    topic=topic,
                    source=handled.source,
                    attribute=f"ce_{attribute}",
                    count=count,
                )
        if handled.repeated and is_worth_telling(count := self._repeated.add(handled.record.topic, handled.source)):
            self._log.warning("Command passed over: its id was handled before", topic=handled.record.topic, count=count)
        if handled.failure is None or (replay and handled.failure.stage == "Decode"):
            return  # what does not decode in a replay was given up when it was new
        cause = handled.failure.cause
        self._log.warning(
            "Event given up",
            topic=cause.topic,
            partition=cause.partition,
            offset=cause.offset,
            stage=handled.failure.stage,
            attempts=handled.failure.attempts,
            error=handled.failure.error,
            source=handled.source,
            count=self._given_up.add(cause.topic, handled.source),
            replay=replay,
        )
