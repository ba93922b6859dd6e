"""The loop: poll, hand to the handlers, write what is done in one transaction.

``flow`` has the events that are under way, ``commits`` writes what came of them, ``replay`` hands in the past; Kafka
and time are ``ports``.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from streamwarden_kafka.errors import BrokerUnavailableError, NotAMemberError

from streamwarden.core.batching import MAX_BATCH_BYTES, MAX_BATCH_RECORDS
from streamwarden.core.dispatch import Dispatcher
from streamwarden.core.records import Partition
from streamwarden.runtime.client_thread import ClientThread
from streamwarden.runtime.commits import Commits
from streamwarden.runtime.flow import Flow
from streamwarden.runtime.handling import GRACE_S, HOLD_S, Handling
from streamwarden.runtime.pauses import Pauses
from streamwarden.runtime.ports import Ends, Polled, Ports
from streamwarden.runtime.replay import Replay
from streamwarden.runtime.reports import tell_retry

_POLL_S = 0.25
"""Longest wait for a record, and so the delay of a stop signal."""
_BUSY_POLL_S = 0.01
"""The same while events are under way: so long may what comes of them wait."""
_TAKE_OVER = -1
"""No generation of a group."""


class Server:
    """Serves one agent until it is told to stop.

    Events are handed in as they come, and what came of them is committed as they finish: one that takes long delays
    only those with its key.

    Args:
        ports: Kafka and time.
        dispatcher: the agent's handlers.
        replayed_topics: topics whose past is handed in at start.
        deduplicated_topics: topics of which the last ids are read back at start.
        stop: set it to finish in order.
        on_joined: called when the first assignment, even an empty one, is taken over and replayed.
    """

    def __init__(
        self,
        ports: Ports,
        dispatcher: Dispatcher,
        *,
        replayed_topics: frozenset[str],
        deduplicated_topics: frozenset[str],
        stop: asyncio.Event,
        on_joined: Callable[[], None],
    ) -> None:
        self._ports = ports
        self._stop = stop
        self._on_joined = on_joined
        self._joined = False
        self._thread = ClientThread()
        self._pauses = Pauses(ports.clock, stop)
        self._commits = Commits(ports, self._thread, self._pauses, stop)
        handling = Handling(ports, self._thread, dispatcher, stop)
        dispatcher.tell_retries(tell_retry)
        self._replay = Replay(ports, self._thread, handling, replayed_topics, stop, deduplicated_topics)
        self._flow = Flow(ports.clock, dispatcher, self._commits.positions, handling.reports)
        self._held = False
        """Whether fetching was interrupted, as nothing more was wanted for long."""
        self._paused = frozenset[Partition]()
        """Partitions of which nothing is fetched."""
        self._generation = 0
        """Of the group, when we last took over; ``_TAKE_OVER`` to do so again."""
        self._lost = 0
        """Offsets that retention has taken before they were read, of all partitions."""
        self._topic_ids = dict[str, str]()
        """Of the topics that we read, as they were when we last took over.

        No others: who has not read a topic last cannot say that what is committed there is of the one before it."""
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
            await self._finish()
        finally:
            await self._flow.leave()
            await self._thread.call(self._ports.transactions.close)
            await self._thread.call(self._ports.feed.close)
            self._thread.close()

    async def _turn(self) -> None:
        feed = self._ports.feed
        if self._generation != feed.generation and not await self._take_over():
            return
        polled = await self._poll()
        if self._generation != feed.generation:
            return
        if polled.gone:
            await self._find_logs(polled.gone)
            return
        ends = self._flow.add(polled)
        await self._flow.gather()
        if await self._commit(ends) and not self._held:
            await self._pause()

    async def _poll(self) -> Polled:
        """Fetch more events, where more are wanted; the group hears of us in any case."""
        feed = self._ports.feed
        if not self._flow.wants_more:
            if not await self._flow.some(HOLD_S):
                self._held = True
                await self._thread.call(feed.hold)
            return Polled()
        if self._held:
            await self._start(self._flow.restart())
        wait_s = _POLL_S
        if self._flow.under_way or self._flow.has_results:
            wait_s = 0.0 if self._flow.has_results else _BUSY_POLL_S
        return await self._thread.call(feed.poll, records=MAX_BATCH_RECORDS, size=MAX_BATCH_BYTES, timeout_s=wait_s)

    async def _commit(self, ends: Ends = ()) -> bool:
        """Commit what is done. False where that failed, and nothing holds but the last commit."""
        handled = self._flow.take()
        self._replay.remember(handled)
        outgoing = [record for each in handled for record in each.outgoing]
        if not await self._commits.commit(Polled(tuple(each.record for each in handled), ends), outgoing):
            self._generation = _TAKE_OVER
            return False
        self._replay.pass_all(self._commits.positions.passed())
        return True

    async def _pause(self) -> None:
        """Fetch nothing of partitions in which we are too far ahead of an event that takes long."""
        full = self._flow.full()
        if full != self._paused:
            for at in sorted(full - self._paused):
                self._log.warning("Partition paused behind a slow event", topic=at.topic, partition=at.number)
            self._paused = full
            await self._thread.call(self._ports.feed.pause, full)

    async def _start(self, positions: Mapping[Partition, int | None]) -> None:
        await self._thread.call(self._ports.feed.start, positions)
        self._held, self._paused = False, frozenset()

    async def _finish(self) -> None:
        """Let what is at work end, for so long as a stop may take, and commit all that is done."""
        if self._generation != self._ports.feed.generation:
            return
        self._flow.drop_waiting()
        until_s = self._ports.clock.now_s() + GRACE_S
        while self._flow.under_way or self._flow.has_results:
            if not await self._flow.some(HOLD_S):
                await self._thread.call(self._ports.feed.hold)
            if self._generation != self._ports.feed.generation or not await self._commit():
                return
            if self._ports.clock.now_s() >= until_s:
                break
        await self._commits.commit_rest()

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
        if self._made_again():
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
        await self._start(self._flow.restart())

    def _made_again(self) -> list[str]:
        """Return the topics that are others now than those of the same names that we read before."""
        now = self._ports.feed.topic_ids
        return sorted(name for name, found in now.items() if self._topic_ids.get(name, found) != found)

    async def _is_between(self) -> bool:
        """Tell whether the group is still giving out partitions, and so may give back to us what it took."""
        try:
            await self._thread.call(self._ports.feed.metadata)
        except NotAMemberError:
            return True
        return False

    async def _begin_anew(self, topic: str, committed: dict[Partition, int | None]) -> None:
        """Let the group begin a topic that was made again: what is committed there is of the topic before.

        Brokers forget that with a topic that is deleted; but who reads it may commit once more before it hears of it.

        Raises:
            BrokerUnavailableError: not done yet.
        """
        ours = [at for at in committed if at.topic == topic]
        logs = await self._thread.call(self._ports.feed.logs, ours)
        begins = {at: first for at, (first, _) in logs.items()}
        if begins:
            await self._thread.call(self._ports.feed.commit, begins)
        committed.update(begins)
        self._log.error("A topic was made again; it is read from its beginning", topic=topic, partitions=len(ours))

    async def _take_over(self) -> bool:
        """Begin with newly assigned partitions. False where it was interrupted and must begin anew."""
        await self._flow.leave()
        feed = self._ports.feed
        generation = feed.generation
        try:
            committed = await self._thread.call(feed.committed)
            owned = {at.topic for at in committed}
            for topic in owned.intersection(self._made_again()):
                await self._begin_anew(topic, committed)
        except BrokerUnavailableError as error:
            self._log.warning("Waiting for Kafka", step="read committed positions", code=str(error))
            await self._thread.call(feed.hold)
            await self._pauses.pause()
            return False
        self._generation = generation
        if owned or not await self._is_between():
            self._topic_ids = {topic: found for topic, found in feed.topic_ids.items() if topic in owned}
        self._replay.take_up(committed, feed.topic_ids)
        beyond = self._commits.take_up(committed)
        if not await self._replay.run(committed, generation, beyond):
            self._generation = _TAKE_OVER
            return False
        if committed:
            await self._start(committed)
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
