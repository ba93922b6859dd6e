"""Keeps tasks running that live as long as the process: one that breaks is told, counted and started again."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

_log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 1.0
"""Until a task that broke is started again; it doubles with each further break."""
LONGEST_PAUSE_S = 60.0
"""The pause does not grow beyond this; a task that has run for so long begins with the first one anew."""


def pause_s(breaks: int, first_s: float = FIRST_PAUSE_S) -> float:
    """Return the seconds until the next start, after so many breaks in a row."""
    growth: float = 2.0 ** min(breaks - 1, 16)
    return min(first_s * growth, LONGEST_PAUSE_S)


def was_stopped() -> bool:
    """Tell whether a ``CancelledError`` is for the running task, and not of a future that somebody gave up."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _ignore(_role: str) -> None:
    """Where nobody counts."""


class Supervisor:
    """Tasks of one event loop."""

    def __init__(self, *, first_pause_s: float = FIRST_PAUSE_S) -> None:
        """Make it, without tasks; ``first_pause_s`` is the wait after a first break."""
        self.on_restart: Callable[[str], None] = _ignore
        """Called with the role of a task that broke and is started again."""
        self.tasks: list[asyncio.Task[None]] = []
        """All of them, those among them that have done their work."""
        self._first_pause_s = first_pause_s

    def start(self, run: Callable[[], Awaitable[None]], *, role: str, name: str = "") -> None:
        """Run until it returns or is stopped, from the beginning after each break.

        Args:
            run: what to do; once it returns it is done.
            role: what the metric calls it.
            name: the task's, where several have the role.
        """
        self.tasks.append(asyncio.create_task(self._keep(run, role), name=name or role))

    async def stop(self) -> None:
        """End all tasks, in the middle of what they do."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks = []

    async def _keep(self, run: Callable[[], Awaitable[None]], role: str) -> None:
        clock, breaks = asyncio.get_running_loop().time, 0
        while True:
            begun_s = clock()
            try:
                await run()
            except (Exception, asyncio.CancelledError) as error:
                if was_stopped():
                    raise
                breaks = 1 if clock() - begun_s >= LONGEST_PAUSE_S else breaks + 1
                _log.error("task broke, and is started again", task=role, breaks=breaks, exc_info=error)
                self.on_restart(role)
            else:
                return
            await asyncio.sleep(pause_s(breaks, self._first_pause_s))
