"""Records side by side over keys, in order for each key."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable

from streamwarden.core.records import Handled, Record, group_by_key

Work = Callable[[Record], Awaitable[Handled]]

_AT_ONCE = 4
"""Lanes that may begin in one turn of the loop: a turn takes about half as long as an event whose handler does nothing.
"""

_NOTHING = object()


class Lanes:
    """One lane for each key that has records: they go one after another, lanes side by side.

    A record without key has a lane of its own.
    """

    def __init__(self, work: Work) -> None:
        """Begin with none.

        Args:
            work: handles a record. What it raises ends everything: see ``take``.
        """
        self._work = work
        self._lanes: dict[Hashable, deque[Record]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._new: deque[Hashable] = deque()
        """Lanes that have not begun."""
        self._turn = 0
        self._left = 0
        """How many more may begin in this turn."""
        self._starting: asyncio.Task[None] | None = None
        self._handled: list[Handled] = []
        self._failure: BaseException | None = None
        self._some = asyncio.Event()
        self._ending = False
        self.under_way = 0
        """Records that are not handled yet."""

    def __len__(self) -> int:
        """Return how many lanes there are."""
        return len(self._lanes)

    @property
    def has_results(self) -> bool:
        """Whether there is something to take."""
        return bool(self._handled) or self._failure is not None

    def add(self, records: Iterable[Record]) -> None:
        """Put records behind those with their key."""
        for group in group_by_key(records):
            key: Hashable = group[0][1].key
            if key is None:
                key = object()
            lane = self._lanes.get(key)
            if lane is None:
                lane = self._lanes[key] = deque()
                self._new.append(key)
            lane.extend(record for _, record in group)
            self.under_way += len(group)
        if self._new and self._starting is None:
            self._starting = asyncio.create_task(self._start())

    async def begun(self) -> None:
        """Wait until every lane has begun: what does not wait for anything is handled then."""
        if self._starting is not None:
            await asyncio.wait({self._starting})

    async def some(self) -> None:
        """Wait until there is something to take."""
        await self._some.wait()

    async def all(self) -> None:
        """Wait until every record is handled, or one cannot be."""
        while self._lanes and self._failure is None:
            self._some.clear()
            await self._some.wait()

    def take(self, most: int | None = None) -> list[Handled]:
        """Return what came of records since the last time, in the order in which they were done, and so for each key.

        Raises:
            BaseException: what the work has raised.
        """
        if self._failure is not None:
            raise self._failure
        taken = self._handled[:most]
        del self._handled[:most]
        if not self._handled:
            self._some.clear()
        return taken

    def drop_waiting(self) -> None:
        """Drop what has not begun; the first record of a lane has begun with it."""
        for lane in self._lanes.values():
            self.under_way -= len(lane)
            lane.clear()
        for key in self._new:
            del self._lanes[key]
        self._new.clear()

    async def cancel(self) -> int:
        """Drop everything, wait until no work goes on, and return how many records were not done."""
        left, self._ending = self.under_way, True
        tasks = {*self._tasks, *({self._starting} if self._starting else ())}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._ending = False
        self.under_way = 0
        self._lanes.clear()
        self._tasks.clear()
        self._new.clear()
        self._handled.clear()
        self._starting = self._failure = None
        self._some.clear()
        return left

    async def _start(self) -> None:
        side_by_side = 1
        while self._new:
            self._turn, self._left = self._turn + 1, _AT_ONCE
            begun = [asyncio.create_task(self._run()) for _ in range(side_by_side)]
            self._tasks.update(begun)
            # They begin at once: many slow handlers without awaits never hold the loop for long.
            await asyncio.sleep(0)
            side_by_side = 1 if all(task.done() for task in begun) else _AT_ONCE
        self._starting = None

    async def _run(self) -> None:
        """Work through a few lanes, one after another, up to one that waits: other tasks have begun the others then.

        So a task is made for each lane that waits, and not for each event. What a handler leaves behind in its task,
        context or a cancellation, no other lane gets. But one that it has asked for later meets whoever is there then.
        """
        turn, context, task = self._turn, contextvars.copy_context(), asyncio.current_task()
        try:
            while self._left and self._new:
                self._left -= 1
                key = self._new.popleft()
                await self._go_through(self._lanes[key])
                del self._lanes[key]
                self._some.set()
                if self._turn != turn or (task and task.cancelling()) or not _has_kept(context):
                    break
        except asyncio.CancelledError:
            if self._ending:
                raise
            self._fail(RuntimeError("a handler has cancelled the task that it was called in"))
        except Exception as error:  # noqa: BLE001  # raised where results are taken
            self._fail(error)
        finally:
            self._tasks.discard(task)

    async def _go_through(self, lane: deque[Record]) -> None:
        while lane:
            self._handled.append(await self._work(lane.popleft()))
            self.under_way -= 1
            if lane:
                self._some.set()
                await asyncio.sleep(0)  # likewise

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._some.set()


def _has_kept(context: contextvars.Context) -> bool:
    """Whether all variables still have the very values of then: equal ones may be told apart, or not be comparable."""
    now = contextvars.copy_context()
    return len(now) == len(context) and all(now.get(name, _NOTHING) is value for name, value in context.items())
