"""The work queue: keys to reconcile, as in controller-runtime."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from streamwarden_operator.result import Result

K = TypeVar("K")

MAX_BACKOFF_DOUBLINGS = 16
JITTER = 0.1
"""Resyncs are spread by this share of the interval, so that they never come all at once."""


class WorkQueue(Generic[K]):
    """Keys to reconcile, each at most once, each with at most one worker.

    A key added while it is being worked on is worked on once more afterwards, so the last change is never missed and
    no two workers meet on one object.
    """

    def __init__(
        self, *, base_delay_s: float = 0.5, max_delay_s: float = 300.0, resync_interval_s: float = 300.0
    ) -> None:
        """Make an empty queue.

        Args:
            base_delay_s: seconds until a key that failed once is tried again; each further failure doubles them.
            max_delay_s: the longest of these waits.
            resync_interval_s: seconds until a key is reconciled again though nothing has changed.
        """
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._queued: set[K] = set()
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

    def add(self, key: K) -> None:
        """Reconcile ``key`` as soon as a worker is free."""
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key not in self._queued:
            self._queued.add(key)
            if key not in self._working:
                self._ready.put_nowait(key)

    def add_after(self, key: K, delay_s: float) -> None:
        """Reconcile ``key`` within ``delay_s`` seconds; the earliest ask counts."""
        if key in self._queued:
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is None or loop.time() + delay_s < timer.when():
            if timer:
                timer.cancel()
            self._timers[key] = loop.call_later(delay_s, self.add, key)

    def close(self) -> None:
        """Cancel every timer."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    async def work(self, reconcile: Callable[[K], Awaitable[Result]], report: Callable[[K, Exception], None]) -> None:
        """Serve keys for ever; run several of these side by side.

        Whatever ``reconcile`` raises is reported and retried with backoff: one bad object never stops a worker.
        """
        while True:
            key = await self._ready.get()
            self._queued.discard(key)
            self._working.add(key)
            try:
                self._follow(key, await reconcile(key))
            except Exception as error:  # noqa: BLE001  # the outermost loop, the only place for it
                report(key, error)
                self._failures[key] += 1
                backoff_s = self._base_delay_s * 2 ** min(self._failures[key] - 1, MAX_BACKOFF_DOUBLINGS)
                self.add_after(key, min(backoff_s, self._max_delay_s))
            finally:
                self._working.discard(key)
                if key in self._queued:
                    self._ready.put_nowait(key)

    def _follow(self, key: K, result: Result) -> None:
        """Give a key that did not fail its next turn."""
        self._failures.pop(key, None)
        if result.requeue_after_s is not None:
            self.add_after(key, result.requeue_after_s)
        elif not result.gone:
            spread = random.uniform(-JITTER, JITTER)  # noqa: S311  # spreads load, guards nothing
            self.add_after(key, self._resync_interval_s * (1 + spread))
