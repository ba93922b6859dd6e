"""The work queue: keys to reconcile, as in controller-runtime."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from enum import IntEnum
from typing import Generic, TypeVar

from streamwarden_operator.errors import UnavailableError
from streamwarden_operator.result import Result
from streamwarden_operator.way import Way

K = TypeVar("K")

MAX_BACKOFF_DOUBLINGS = 16
JITTER = 0.1
"""Resyncs are spread by this share of the interval, so that they never come all at once."""


FAIR_TURN = 8
"""Of so many turns one goes to the key that has waited longest in one of the classes after the first, each of which has
its turn, the last one first: nobody waits for ever."""


class Priority(IntEnum):
    """Whose turn comes first. Within a class it is who has waited longest."""

    FIRST = 0
    """People wait for it, and it is short: a policy, and the log that it is published on."""
    HALF_DONE = 1
    """It has begun to come up, or others wait for it."""
    NEW = 2
    """Nobody has looked at it yet."""
    RESYNC = 3
    """Nothing has changed that we know of, or nothing that anybody waits for."""


class WorkQueue(Generic[K]):
    """Keys to reconcile, each at most once, each with at most one worker, by priority.

    A key added while it is being worked on is worked on once more afterwards, so the last change is never missed and
    no two workers meet on one object.
    """

    def __init__(
        self,
        priority: Callable[[K], Priority] = lambda _: Priority.NEW,
        *,
        base_delay_s: float = 0.5,
        max_delay_s: float = 300.0,
        resync_interval_s: float = 300.0,
    ) -> None:
        """Make an empty queue.

        Args:
            priority: of a key that nobody has looked at; one that was looked at is half done, if that comes earlier.
            base_delay_s: seconds until a key that failed once is tried again; each further failure doubles them.
            max_delay_s: the longest of these waits.
            resync_interval_s: seconds until a key is reconciled again though nothing has changed.
        """
        self._priority = priority
        self._tokens: asyncio.Queue[None] = asyncio.Queue()
        """One for each key in ``_ready``: what workers wait for."""
        self._urgent = asyncio.Event()
        """Whether a key of the first class may be among them: what a worker for nothing else waits for."""
        self._ready: dict[Priority, dict[K, None]] = {each: {} for each in Priority}
        """In the order of asking."""
        self._way = Way()
        self._turns = 0
        self._looked_at: set[K] = set()
        self._queued: dict[K, Priority] = {}
        """Also of keys that are worked on, and then once more."""
        self._working: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: Counter[K] = Counter()
        self._base_delay_s = base_delay_s
        self._max_delay_s = max_delay_s
        self._resync_interval_s = resync_interval_s

    @property
    def idle(self) -> bool:
        """Whether no key is waiting or being worked on; timers of later turns don't count."""
        return not self._queued and not self._working

    @property
    def waiting(self) -> Mapping[Priority, int]:
        """How many keys wait for a worker."""
        return {priority: len(keys) for priority, keys in self._ready.items()}

    @property
    def waiting_keys(self) -> Mapping[Priority, Collection[K]]:
        """Which they are, in the order of asking."""
        return {priority: keys.keys() for priority, keys in self._ready.items()}

    def add(self, key: K) -> None:
        """Reconcile ``key`` as soon as a worker is free; of two asks the more urgent one counts."""
        priority = self._priority(key)
        self._add(key, min(priority, Priority.HALF_DONE) if key in self._looked_at else priority)

    def add_last(self, key: K, after_s: float = 0.0) -> None:
        """Reconcile ``key`` when nobody else waits; an ask by ``add`` brings it forward, and so does a time it has.

        Args:
            key: which.
            after_s: seconds before which it does not begin to wait.
        """
        if after_s > 0:
            self.add_after(key, after_s, resync=True)
        else:
            self._queue(key, Priority.RESYNC)

    def _add(self, key: K, priority: Priority) -> None:
        self._cancel_timer(key)
        self._queue(key, priority)

    def _cancel_timer(self, key: K) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()

    def _queue(self, key: K, priority: Priority) -> None:
        before = self._queued.get(key)
        if before is not None and before <= priority:
            return
        self._queued[key] = priority
        if key not in self._working:
            if before is None:
                self._tokens.put_nowait(None)
            else:
                del self._ready[before][key]
            self._put(key, priority)

    def _put(self, key: K, priority: Priority) -> None:
        self._ready[priority][key] = None
        if priority is Priority.FIRST:
            self._urgent.set()

    def add_after(self, key: K, delay_s: float, *, resync: bool = False) -> None:
        """Reconcile ``key`` within ``delay_s`` seconds; the earliest ask counts.

        Args:
            key: which.
            delay_s: seconds.
            resync: whether nothing has changed that we know of.
        """
        queued = self._queued.get(key)
        if queued is not None and (resync or queued is not Priority.RESYNC):
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is None or loop.time() + delay_s < timer.when():
            if timer:
                timer.cancel()
            then = (self._add, key, Priority.RESYNC) if resync else (self.add, key)
            self._timers[key] = loop.call_later(delay_s, *then)

    def close(self) -> None:
        """Cancel every timer."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._way.close()

    async def work(
        self,
        reconcile: Callable[[K], Awaitable[Result]],
        report: Callable[[K, Exception], None],
        *,
        urgent: bool = False,
    ) -> None:
        """Serve keys for ever; run several of these side by side.

        Whatever ``reconcile`` raises is reported and retried with backoff: one bad object never stops a worker.

        Args:
            reconcile: what to do with a key.
            report: told of what failed.
            urgent: whether to serve the first class alone: it then never waits for what all others are busy with.
        """
        while True:
            key, priority = await self._next_urgent() if urgent else await self._next()
            self._cancel_timer(key)  # of who is queued to come last: this is its turn
            self._working.add(key)
            self._looked_at.add(key)
            try:
                with self._way.made() if priority is Priority.FIRST else self._way.given():
                    result = await reconcile(key)
                self._follow(key, result)
            except Exception as error:  # noqa: BLE001  # the outermost loop, the only place for it
                self._failures[key] += 1
                backoff_s = self._base_delay_s * 2 ** min(self._failures[key] - 1, MAX_BACKOFF_DOUBLINGS)
                # Before its time nothing can succeed, however long that is.
                least_s = error.retry_after_s if isinstance(error, UnavailableError) else 0.0
                self.add_after(key, max(min(backoff_s, self._max_delay_s), least_s))
                report(key, error)  # last: if it breaks, the key has its next turn all the same
            finally:
                self._working.discard(key)
                if (again := self._queued.get(key)) is not None:
                    self._put(key, again)
                    self._tokens.put_nowait(None)

    async def _next(self) -> tuple[K, Priority]:
        while True:
            await self._tokens.get()
            if self._ready[Priority.FIRST] or not self._way.is_made:
                return self._take()
            self._tokens.put_nowait(None)
            await self._way.end()

    async def _next_urgent(self) -> tuple[K, Priority]:
        """Return the next key of the first class, once there is one that no other worker has taken."""
        while not self._ready[Priority.FIRST]:
            self._urgent.clear()
            await self._urgent.wait()
        self._tokens.get_nowait()  # that of this key: nobody else may wake for it
        key = next(iter(self._ready[Priority.FIRST]))
        del self._ready[Priority.FIRST][key]
        return key, self._queued.pop(key)

    def _take(self) -> tuple[K, Priority]:
        """Return the key whose turn it is, and its class; there is one."""
        self._turns += 1
        fair, rest = divmod(self._turns, FAIR_TURN)
        later = list(Priority)[: Priority.FIRST : -1]
        passed = (fair - 1) % len(later)
        order = iter(Priority) if rest else iter((*later[passed:], *later[:passed], Priority.FIRST))
        keys = next(self._ready[priority] for priority in order if self._ready[priority])
        key = next(iter(keys))
        del keys[key]
        return key, self._queued.pop(key)

    def _follow(self, key: K, result: Result) -> None:
        """Give a key that did not fail its next turn."""
        self._failures.pop(key, None)
        if result.requeue_after_s is not None:
            self.add_after(key, result.requeue_after_s)
        elif not result.gone:
            spread = random.uniform(-JITTER, JITTER)  # noqa: S311  # spreads load, guards nothing
            interval_s = min(self._resync_interval_s * (1 + spread), result.resync_within_s)
            self.add_after(key, interval_s, resync=True)
        else:
            self._looked_at.discard(key)
