"""The queue of all keys: its workers call the reconciler of each key, and its failures are named and reported."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from streamwarden_operator.errors import CannotGoOnError, ConflictError, LeadershipLostError, OperatorError
from streamwarden_operator.keys import Key, KeyKind
from streamwarden_operator.result import Result
from streamwarden_operator.settings import OperatorSettings
from streamwarden_operator.work_queue import Priority, WorkQueue

_log = structlog.get_logger(__name__)


_PRIORITIES: Mapping[KeyKind, Priority] = {
    "PolicyLog": Priority.FIRST,
    "Policy": Priority.FIRST,
    "Namespace": Priority.HALF_DONE,
    "TopicContract": Priority.HALF_DONE,
}
"""Agents wait for all of these."""


def priority_of(key: Key) -> Priority:
    """Return how urgent a key is that nobody has looked at yet."""
    return _PRIORITIES.get(key.kind, Priority.NEW)


class Reconciler(Protocol):
    """Brings one thing to what is wanted of it; what woke it does not matter."""

    async def reconcile(self, key: Key) -> Result: ...


class ReconcileQueue:
    """Keys and their workers. All calls from one event loop."""

    def __init__(self, settings: OperatorSettings, *, on_status: Callable[[Key], None]) -> None:
        """Make an empty queue without workers.

        Args:
            settings: say how many workers there are, and how long a key waits.
            on_status: called with the key of a resource whose status has changed.
        """
        self.lost = asyncio.Event()
        """Set when only a new process can go on."""
        self.lost_by: CannotGoOnError | None = None
        """Why."""
        self._on_status = on_status
        self._number_of_workers = settings.workers
        self._queue: WorkQueue[Key] = WorkQueue(
            priority_of,
            base_delay_s=settings.first_retry.total_seconds(),
            max_delay_s=settings.longest_retry.total_seconds(),
            resync_interval_s=settings.resync_interval.total_seconds(),
        )
        self._failing: set[Key] = set()
        self._workers: list[asyncio.Task[None]] = []
        self._reconcilers: Mapping[KeyKind, Reconciler] = {}

    @property
    def idle(self) -> bool:
        """Whether no key is waiting, worked on, or about to be retried."""
        return self._queue.idle and not self._failing

    @property
    def failing(self) -> frozenset[Key]:
        """Keys whose last reconcile failed; each is tried again by itself."""
        return frozenset(self._failing)

    def add(self, key: Key) -> None:
        """Reconcile a key as soon as a worker is free."""
        self._queue.add(key)

    def start(self, reconcilers: Mapping[KeyKind, Reconciler]) -> None:
        """Begin to work on what is in the queue, and on what comes."""
        self._reconcilers = reconcilers
        self._workers = [
            asyncio.create_task(self._queue.work(self._reconcile, self._report), name=f"worker-{number}")
            for number in range(self._number_of_workers)
        ]

    async def stop(self) -> None:
        """End the workers in the middle of what they do; a reconcile is idempotent."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._queue.close()

    async def _reconcile(self, key: Key) -> Result:
        result = await self._reconcilers[key.kind].reconcile(key)
        self._failing.discard(key)
        if result.status_changed:
            self._on_status(key)
        return result

    def _report(self, key: Key, error: Exception) -> None:
        self._failing.add(key)
        if isinstance(error, CannotGoOnError):
            fenced = isinstance(error, LeadershipLostError)
            event = "another operator has taken over" if fenced else "only a new process can go on"
            _log.error(event, key=str(key), error=str(error))
            self.lost_by = error
            self.lost.set()
        elif isinstance(error, ConflictError):
            _log.info("changed meanwhile, reconciled again", key=str(key))
        elif isinstance(error, OperatorError):
            _log.warning("reconcile failed", key=str(key), reason=error.reason.value, error=str(error))
        else:
            _log.error("reconcile broke", key=str(key), exc_info=error)
