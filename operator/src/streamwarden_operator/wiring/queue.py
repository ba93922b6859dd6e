"""The queue of all keys: its workers call the reconciler of each key, and its failures are named and reported."""

import asyncio
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

import structlog

from streamwarden_operator.errors import (
    CannotGoOnError,
    ConflictError,
    DeadlineExceededError,
    InvalidSpecError,
    LeadershipLostError,
    NotReadyError,
    OperatorError,
    UnavailableError,
)
from streamwarden_operator.keys import Key, KeyKind
from streamwarden_operator.result import Result
from streamwarden_operator.settings import OperatorSettings
from streamwarden_operator.supervision import Supervisor, was_stopped
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


class Outcome(StrEnum):
    """How a reconcile has ended, as metrics name it."""

    SUCCESS = "success"
    REQUEUE_AFTER = "requeue_after"
    NOT_READY = "not_ready"
    INVALID = "invalid"
    CONFLICT = "conflict"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    UNAVAILABLE = "unavailable"
    CANNOT_GO_ON = "cannot_go_on"
    DEFECT = "defect"


_OUTCOMES: Mapping[type[Exception], Outcome] = {
    ConflictError: Outcome.CONFLICT,  # before what it is a kind of
    DeadlineExceededError: Outcome.DEADLINE_EXCEEDED,  # likewise
    UnavailableError: Outcome.UNAVAILABLE,
    NotReadyError: Outcome.NOT_READY,
    InvalidSpecError: Outcome.INVALID,
    CannotGoOnError: Outcome.CANNOT_GO_ON,
}


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A reconcile that has ended."""

    key: Key
    outcome: Outcome
    duration_s: float
    is_retry: bool
    """Whether the one before had failed."""


@dataclass(frozen=True, slots=True)
class Running:
    """A reconcile that a worker is busy with."""

    since_s: float
    """On the event loop's clock."""
    task: "asyncio.Task[Any]"


def _ignore(_reconciled: Reconciled) -> None:
    """Where nobody listens."""


def outcome_of(ended: Result | Exception) -> Outcome:
    """Return how metrics name a result or an error."""
    if isinstance(ended, Result):
        return Outcome.SUCCESS if ended.requeue_after_s is None else Outcome.REQUEUE_AFTER
    return next((outcome for kind, outcome in _OUTCOMES.items() if isinstance(ended, kind)), Outcome.DEFECT)


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
        self.on_reconciled: Callable[[Reconciled], None] = _ignore
        """Called after each reconcile."""
        self.running: dict[Key, Running] = {}
        """What workers are busy with now."""
        self._on_status = on_status
        self._number_of_workers = settings.workers
        self._longest_s = settings.longest_reconcile.total_seconds()
        self._queue: WorkQueue[Key] = WorkQueue(
            priority_of,
            base_delay_s=settings.first_retry.total_seconds(),
            max_delay_s=settings.longest_retry.total_seconds(),
            resync_interval_s=settings.resync_interval.total_seconds(),
        )
        self._failing: set[Key] = set()
        self._paced: set[Key] = set()
        """Keys that wait for their pace."""
        self._next_s: dict[Key, float] = {}
        """By key: before when it has no turn because of those who can wait for others."""
        self.supervisor = Supervisor()
        """Keeps the workers."""
        self._reconcilers: Mapping[KeyKind, Reconciler] = {}

    @property
    def idle(self) -> bool:
        """Whether no key is waiting, worked on, or about to be retried."""
        return self._queue.idle and not self._failing and not self._paced

    @property
    def failing(self) -> frozenset[Key]:
        """Keys whose last reconcile failed; each is tried again by itself."""
        return frozenset(self._failing)

    @property
    def depth(self) -> Mapping[tuple[Priority, KeyKind], int]:
        """How many keys wait for a worker, by priority and kind."""
        waiting = self._queue.waiting_keys
        return Counter((priority, key.kind) for priority, keys in waiting.items() for key in keys)

    def has(self, task: "asyncio.Task[Any]") -> bool:
        """Tell whether a task is one of the workers."""
        return task in self.supervisor.tasks

    def add(self, key: Key) -> None:
        """Reconcile a key as soon as a worker is free."""
        self._queue.add(key)

    def add_last(self, key: Key, after_s: float = 0.0) -> None:
        """Reconcile a key in so many seconds, and when nobody else waits."""
        self._paced.add(key)
        self._queue.add_last(key, after_s)

    def add_paced(self, key: Key, pace_s: float) -> None:
        """Reconcile a key at once where its last such turn is a while ago; else soon, for all who ask meanwhile.

        Whoever cannot wait asks with ``add``, and takes them along.

        Args:
            key: which.
            pace_s: seconds that are a while, between two of its turns.
        """
        now_s = asyncio.get_running_loop().time()
        next_s = self._next_s.get(key, now_s)
        if next_s <= now_s:
            self._next_s[key] = now_s + pace_s
            self._queue.add(key)
        elif key not in self._paced:
            self._paced.add(key)
            self._next_s[key] = next_s + pace_s
            self._queue.add_after(key, next_s - now_s)

    def start(self, reconcilers: Mapping[KeyKind, Reconciler]) -> None:
        """Begin to work on what is in the queue, and on what comes."""
        self._reconcilers = reconcilers
        for number in range(self._number_of_workers):
            self.supervisor.start(
                lambda: self._queue.work(self._reconcile, self._report), role="worker", name=f"worker-{number}"
            )
        # An edit of a policy waits for no agent, however many come up and however long Kafka takes for each.
        urgent = partial(self._queue.work, self._reconcile, self._report, urgent=True)
        self.supervisor.start(urgent, role="worker", name="worker-urgent")

    async def stop(self) -> None:
        """End the workers in the middle of what they do; a reconcile is idempotent."""
        await self.supervisor.stop()
        self._queue.close()

    async def _reconcile(self, key: Key) -> Result:
        clock, task, is_retry = asyncio.get_running_loop().time, asyncio.current_task(), key in self._failing
        assert task is not None  # noqa: S101  # a worker is one
        self.running[key] = begun = Running(clock(), task)
        self._paced.discard(key)
        ended: Result | Exception | None = None
        try:
            ended = result = await self._within_its_time(key)
        except Exception as error:
            ended = error
            raise
        finally:
            del self.running[key]
            if ended is not None:  # else the worker was stopped
                self.on_reconciled(Reconciled(key, outcome_of(ended), clock() - begun.since_s, is_retry))
        self._failing.discard(key)
        if result.gone:
            self._next_s.pop(key, None)
        if result.status_changed:
            self._on_status(key)
        return result

    async def _within_its_time(self, key: Key) -> Result:
        """Reconcile a key, and end that where what it waits for does not come or was given up by somebody else.

        Raises:
            DeadlineExceededError: it was ended.
        """
        longest_s = self._longest_s
        ends_process = asyncio.get_running_loop().call_later(2 * longest_s, self.lose, key, _hangs(key, 2 * longest_s))
        deadline = asyncio.timeout(longest_s)
        try:
            async with deadline:
                return await self._reconcilers[key.kind].reconcile(key)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise DeadlineExceededError(f"not done within {longest_s:g} s, {_place_of(error.__cause__)}") from error
        except asyncio.CancelledError as error:
            if was_stopped():
                raise
            raise DeadlineExceededError(f"what it waited for was given up, {_place_of(error)}") from error
        finally:
            ends_process.cancel()

    def lose(self, key: Key, error: CannotGoOnError) -> None:
        """Say that only a new process can go on."""
        event = "leads no more" if isinstance(error, LeadershipLostError) else "only a new process can go on"
        _log.error(event, key=str(key), error=str(error))
        self.lost_by = error
        self.lost.set()

    def _report(self, key: Key, error: Exception) -> None:
        self._failing.add(key)
        if isinstance(error, CannotGoOnError):
            self.lose(key, error)
        elif isinstance(error, ConflictError):
            _log.info("changed meanwhile, reconciled again", key=str(key))
        elif isinstance(error, OperatorError):
            _log.warning("reconcile failed", key=str(key), reason=error.reason.value, error=str(error))
        else:
            _log.error("reconcile broke", key=str(key), exc_info=error)


def _hangs(key: Key, seconds: float) -> CannotGoOnError:
    return CannotGoOnError(f"the reconcile of {key} goes on after {seconds:g} s though it was told to end")


def _place_of(error: BaseException | None) -> str:
    """Say where a reconcile was, by the innermost line of ours."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__ if error else None)]
    modules = [(str(frame.f_globals.get("__name__")), frame.f_lineno) for frame in frames]
    ours = [f"{module}:{line}" for module, line in modules if module.startswith("streamwarden")]
    return f"at {ours[-1]}" if ours else "nobody knows where"
