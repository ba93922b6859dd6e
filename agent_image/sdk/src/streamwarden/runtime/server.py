"""The loop: poll, hand to the handlers, write in one transaction.

``handling`` runs a batch, ``commits`` writes what came of it, ``replay`` hands in the past; Kafka and time are
``ports``.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence

import structlog
from streamwarden_kafka.errors import BrokerUnavailableError

from streamwarden.core.batching import MAX_BATCH_BYTES
from streamwarden.core.dispatch import Dispatcher
from streamwarden.core.records import Outgoing, Partition
from streamwarden.runtime.client_thread import ClientThread
from streamwarden.runtime.commits import Commits
from streamwarden.runtime.handling import Handling
from streamwarden.runtime.pauses import Pauses
from streamwarden.runtime.ports import Ports
from streamwarden.runtime.replay import Replay

_POLL_S = 0.25
"""Longest wait for a record, and so the delay of a stop signal."""
_TAKE_OVER = -1
"""No generation of a group."""


class Server:
    """Serves one agent until it is told to stop.

    Args:
        ports: Kafka and time.
        dispatcher: the agent's handlers.
        replayed_topics: topics whose past is handed in at start.
        stop: set it to finish in order.
        on_joined: called when the first assignment, even an empty one, is taken over and replayed.
    """

    def __init__(
        self,
        ports: Ports,
        dispatcher: Dispatcher,
        *,
        replayed_topics: frozenset[str],
        stop: asyncio.Event,
        on_joined: Callable[[], None],
    ) -> None:
        self._ports = ports
        self._stop = stop
        self._on_joined = on_joined
        self._joined = False
        self._thread = ClientThread()
        self._pauses = Pauses(ports.clock, stop)
        self._handling = Handling(ports, self._thread, dispatcher, stop)
        self._commits = Commits(ports, self._thread, self._pauses, stop)
        self._replay = Replay(ports, self._thread, self._handling, replayed_topics, stop)
        self._generation = 0
        """Of the group, when we last took over; ``_TAKE_OVER`` to do so again."""
        self._lost = 0
        """Offsets that retention has taken before they were read, of all partitions."""
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Serve until ``stop`` is set.

        Raises:
            ProducerFencedError: another process has taken over.
        """
        try:
            await self._commits.open()
            while not self._stop.is_set():
                await self._turn()
            if self._generation == self._ports.feed.generation:
                await self._commits.commit_rest()
        finally:
            await self._thread.call(self._ports.transactions.close)
            await self._thread.call(self._ports.feed.close)
            self._thread.close()

    async def _turn(self) -> None:
        feed = self._ports.feed
        if self._generation != feed.generation and not await self._take_over():
            return
        records = self._handling.size.records
        polled = await self._thread.call(feed.poll, records=records, size=MAX_BATCH_BYTES, timeout_s=_POLL_S)
        if self._generation != feed.generation:
            return
        if polled.gone:
            await self._find_logs(polled.gone)
            return
        outgoing = list[Outgoing]()
        if polled.records:
            handled = await self._handling.handle(polled.records, self._generation)
            if handled is None:
                return
            self._replay.remember(handled)
            outgoing = [record for each in handled for record in each.outgoing]
        if not await self._commits.commit(polled, outgoing):
            self._generation = _TAKE_OVER
        elif self._handling.held and self._generation == feed.generation:
            await self._thread.call(feed.start, self._commits.positions.current())
            self._handling.held = False

    async def _find_logs(self, partitions: Sequence[Partition]) -> None:
        """Go on with logs that do not have our positions: of retention that was faster, or of a topic made again."""
        feed, positions = self._ports.feed, self._commits.positions
        try:
            logs = await self._thread.call(feed.logs, partitions)
        except BrokerUnavailableError as error:
            self._log.warning("Waiting for Kafka", step="find the logs again", code=str(error))
            await self._thread.call(feed.hold)
            await self._pauses.pause()
            self._generation = _TAKE_OVER
            return
        for at, (first, end) in logs.items():
            missing = positions.fit(at, first, end)
            if missing > 0:
                self._lost += missing
                self._log.error(
                    "Records were removed before they were read",
                    topic=at.topic,
                    partition=at.number,
                    offsets=missing,
                    all_offsets=self._lost,
                    go_on=first,
                )
            elif missing < 0:
                self._replay.forget(at)
                self._log.error(
                    "The log ends before what was read, as that of a topic that was made again",
                    topic=at.topic,
                    partition=at.number,
                    end=end,
                    behind=-missing,
                    go_on=first,
                )
        await self._thread.call(feed.start, positions.current())

    async def _take_over(self) -> bool:
        """Begin with newly assigned partitions. False where it was interrupted and must begin anew."""
        feed = self._ports.feed
        generation = feed.generation
        try:
            committed = await self._thread.call(feed.committed)
        except BrokerUnavailableError as error:
            self._log.warning("Waiting for Kafka", step="read committed positions", code=str(error))
            await self._thread.call(feed.hold)
            await self._pauses.pause()
            return False
        self._generation = generation
        self._commits.positions.reset(committed)
        if not await self._replay.run(committed, generation):
            self._generation = _TAKE_OVER
            return False
        self._handling.held = False
        if committed:
            await self._thread.call(feed.start, committed)
        self._log.info("Partitions assigned", partitions=len(committed))
        if not self._joined:
            self._joined = True
            self._on_joined()
        return True


async def run_start_hooks(hooks: Sequence[Callable[[], object]]) -> None:
    """Run what the agent wants done before its first event."""
    for hook in hooks:
        started = hook()
        if inspect.isawaitable(started):
            waiting: Awaitable[object] = started
            await waiting
