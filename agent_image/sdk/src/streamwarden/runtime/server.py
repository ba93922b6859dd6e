"""The loop: poll, hand to the handlers, write in one transaction. Kafka's clients live in one thread, handlers here."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import structlog

from streamwarden.core.batching import MAX_BATCH_BYTES, BatchSize
from streamwarden.core.dispatch import Dispatcher
from streamwarden.core.positions import Positions
from streamwarden.core.records import Handled, Outgoing, Partition, Record
from streamwarden.runtime.errors import KafkaUnavailableError, TransactionAbortedError, TransactionUnknownError
from streamwarden.runtime.feed import Feed, History, Polled
from streamwarden.runtime.transactions import Transactions

_T = TypeVar("_T")
_P = ParamSpec("_P")

_POLL_S = 0.25
"""Longest wait for a record, and so the delay of a stop signal."""
_HOLD_S = 1.0
"""How often the group hears of us while a batch takes long."""
_GRACE_S = 10.0
"""How long a batch may still take once we are told to stop; then it is left to the next process."""
_COMMIT_EVERY_S = 0.2
"""Positions without decisions are committed no oftener than this."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_PROGRESS_S = 5.0


@dataclass(frozen=True, slots=True)
class Links:
    """The runtime's three ways to Kafka."""

    feed: Feed
    transactions: Transactions
    history: Callable[[Mapping[Partition, tuple[int, int]]], History]


class Server:
    """Serves one agent until it is told to stop.

    Args:
        links: Kafka.
        dispatcher: the agent's handlers.
        replayed_topics: topics whose past is handed in at start.
        stop: set it to finish in order.
        on_joined: called when the first assignment, even an empty one, is taken over and replayed.
    """

    def __init__(
        self,
        links: Links,
        dispatcher: Dispatcher,
        *,
        replayed_topics: frozenset[str],
        stop: asyncio.Event,
        on_joined: Callable[[], None],
    ) -> None:
        self._links = links
        self._dispatcher = dispatcher
        self._replayed_topics = replayed_topics
        self._stop = stop
        self._on_joined = on_joined
        self._joined = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafka")
        self._positions = Positions()
        self._remembered: dict[Partition, int] = {}
        """How far the handlers' memory reaches, also in partitions that are not ours now."""
        self._generation = 0
        """Of the group, when we last took over; -1 to do so again."""
        self._held = False
        """Whether fetching was interrupted for a batch that takes long."""
        self._size = BatchSize()
        self._committed_at = 0.0
        self._failures_in_a_row = 0
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Serve until ``stop`` is set.

        Raises:
            FencedError: another process has taken over.
        """
        try:
            await self._open()
            while not self._stop.is_set():
                await self._turn()
            await self._commit_rest()
        finally:
            await self._call(self._links.transactions.close)
            await self._call(self._links.feed.close)
            self._thread.shutdown()

    async def _turn(self) -> None:
        feed = self._links.feed
        if self._generation != feed.generation and not await self._take_over():
            return
        polled = await self._call(feed.poll, records=self._size.records, size=MAX_BATCH_BYTES, timeout_s=_POLL_S)
        if self._generation != feed.generation:
            return
        outgoing: list[Outgoing] = []
        if polled.records:
            handled = await self._handle(polled.records)
            if handled is None:
                return
            outgoing = [record for each in handled for record in each.outgoing]
        await self._commit(polled, outgoing)
        if self._held and self._generation == feed.generation:
            await self._call(feed.start, self._positions.current())
            self._held = False

    async def _handle(self, records: Sequence[Record], *, replay: bool = False) -> list[Handled] | None:
        """Run a batch through the handlers. None where it was given up, as it is no longer ours to finish."""
        started_s = time.monotonic()
        work = asyncio.create_task(self._dispatcher.handle(records, replay=replay))
        while not (await asyncio.wait({work}, timeout=_HOLD_S))[0]:
            self._held = True
            await self._call(self._links.feed.hold)
            late = self._stop.is_set() and time.monotonic() - started_s > _GRACE_S
            if late or self._generation != self._links.feed.generation:
                work.cancel()
                await asyncio.wait({work})
                self._log.warning("Batch left to the next owner of its partitions", records=len(records))
                return None
        handled = work.result()
        self._size = self._size.after(records=len(records), seconds=time.monotonic() - started_s)
        for each in handled:
            self._remembered[each.record.at] = max(self._remembered.get(each.record.at, 0), each.record.offset + 1)
            self._report(each, replay=replay)
        return handled

    async def _commit(self, polled: Polled, outgoing: Sequence[Outgoing]) -> None:
        self._positions.pass_records(polled.records)
        for at, offset in polled.ends:
            self._positions.reach(at, offset)
        positions = self._positions.uncommitted()
        try:
            if outgoing:
                transactions, feed = self._links.transactions, self._links.feed
                await self._call(transactions.commit, outgoing, positions, await self._call(feed.metadata))
            elif positions and time.monotonic() - self._committed_at >= _COMMIT_EVERY_S:
                await self._call(self._links.feed.commit, positions)
            else:
                return
        except TransactionAbortedError as error:
            await self._go_back("Transaction aborted", error)
        except TransactionUnknownError as error:
            await self._go_back("Transaction of unknown outcome", error)
            await self._open()
        except KafkaUnavailableError as error:
            # Nothing hangs on it: the next turn tries again, or a rebalance says whose they are.
            self._log.warning("Positions not committed", code=str(error))
        else:
            self._positions.mark_committed(positions)
            self._committed_at = time.monotonic()
            self._failures_in_a_row = 0

    async def _commit_rest(self) -> None:
        """Commit what has no decision to go with, before we leave."""
        positions = self._positions.uncommitted()
        if positions and self._generation == self._links.feed.generation:
            try:
                await self._call(self._links.feed.commit, positions)
            except KafkaUnavailableError as error:
                self._log.warning("Positions not committed", code=str(error))

    async def _go_back(self, what: str, error: Exception) -> None:
        """Read on from the last commit, as if the partitions had just become ours."""
        self._log.warning("Going back to the last commit", cause=what, code=str(error))
        self._generation = -1
        await self._pause()

    async def _open(self) -> None:
        """Open a producer, however long Kafka takes."""
        while not self._stop.is_set():
            try:
                await self._call(self._links.transactions.open)
            except KafkaUnavailableError as error:
                self._log.warning("Waiting for Kafka", step="open the producer", code=str(error))
                await self._call(self._links.feed.hold)
                await self._pause()
            else:
                return

    async def _take_over(self) -> bool:
        """Begin with newly assigned partitions. False where it was interrupted and must begin anew."""
        feed = self._links.feed
        generation = feed.generation
        try:
            committed = await self._call(feed.committed)
        except KafkaUnavailableError as error:
            self._log.warning("Waiting for Kafka", step="read committed positions", code=str(error))
            await self._call(feed.hold)
            await self._pause()
            return False
        self._generation = generation
        self._positions.reset(committed)
        if not await self._replay(committed):
            self._generation = -1
            return False
        self._held = False
        if committed:
            await self._call(feed.start, committed)
        self._log.info("Partitions assigned", partitions=len(committed))
        if not self._joined:
            self._joined = True
            self._on_joined()
        return True

    async def _replay(self, committed: Mapping[Partition, int | None]) -> bool:
        """Hand in what was committed and is not in the handlers' memory."""
        ranges = {
            at: (self._remembered.get(at, 0), end)
            for at, end in committed.items()
            if end is not None and at.topic in self._replayed_topics and self._remembered.get(at, 0) < end
        }
        if not ranges:
            return True
        started_s = told_s = held_s = time.monotonic()
        self._log.info(
            "Replay begins", partitions=len(ranges), offsets=sum(end - start for start, end in ranges.values())
        )
        history = await self._call(self._links.history, ranges)
        count = 0
        try:
            while not history.finished:
                records = await self._call(history.poll, records=self._size.records, timeout_s=_POLL_S)
                if records and await self._handle(records, replay=True) is None:
                    return False
                count += len(records)
                now_s = time.monotonic()
                if now_s - held_s > _HOLD_S:
                    held_s = now_s
                    await self._call(self._links.feed.hold)
                if self._stop.is_set() or self._links.feed.generation != self._generation:
                    return False
                if now_s - told_s > _PROGRESS_S:
                    told_s = now_s
                    self._log.info("Replay goes on", records=count)
        finally:
            await self._call(history.close)
        for at, (_, end) in ranges.items():
            self._remembered[at] = max(self._remembered.get(at, 0), end)
        self._log.info("Replay finished", records=count, seconds=round(time.monotonic() - started_s, 3))
        return True

    async def _pause(self) -> None:
        """Wait a little, longer each time, before Kafka is asked again."""
        pause_s = min(_FIRST_PAUSE_S * 2**self._failures_in_a_row, _LONGEST_PAUSE_S)
        self._failures_in_a_row = min(self._failures_in_a_row + 1, 16)
        try:
            await asyncio.wait_for(self._stop.wait(), pause_s)
        except TimeoutError:
            return

    def _report(self, handled: Handled, *, replay: bool) -> None:
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
            replay=replay,
        )

    async def _call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a call to Kafka's clients in their thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(*args, **kwargs))


async def run_start_hooks(hooks: Sequence[Callable[[], object]]) -> None:
    """Run what the agent wants done before its first event."""
    for hook in hooks:
        started = hook()
        if inspect.isawaitable(started):
            waiting: Awaitable[object] = started
            await waiting
