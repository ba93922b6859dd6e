"""Who goes first where all are at work already: an edit that people wait for, before what others ask the API server."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

WAY_S = 1.0
"""So long, at most, nothing new is begun while a key of the first class is worked on: what runs beside it takes its
processor. Then others go on for as long as they have waited: one that hangs stops nobody."""


class Way:
    """Made for keys of the first class: while one is worked on others begin nothing, at most half of the time.

    What they have begun sends no request to the API server meanwhile: ``give_way``.
    """

    def __init__(self) -> None:
        self._ended = asyncio.Event()
        self._ended.set()
        self._keys = 0
        self._since_s = self._not_before_s = 0.0
        """On the event loop's clock."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_made(self) -> bool:
        """Whether others are to wait."""
        return not self._ended.is_set()

    async def end(self) -> None:
        """Wait until others may go on."""
        await self._ended.wait()

    @contextmanager
    def made(self) -> Iterator[None]:
        """Make way for one key, unless others have waited for one just now."""
        loop = asyncio.get_running_loop()
        self._keys += 1
        if self._keys == 1 and loop.time() >= self._not_before_s:
            self._since_s = loop.time()
            self._ended.clear()
            self._timer = loop.call_later(WAY_S, self._end, loop)
        try:
            yield
        finally:
            self._keys -= 1
            if not self._keys:
                self._end(loop)

    @contextmanager
    def given(self) -> Iterator[None]:
        """Work on a key of another class: what it is made of gives way too."""
        token = _GIVES.set(self)
        try:
            yield
        finally:
            _GIVES.reset(token)

    def close(self) -> None:
        """Let everybody go on."""
        if self._timer is not None:
            self._timer.cancel()
        self._ended.set()

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.is_made:
            self._not_before_s = 2 * loop.time() - self._since_s
        self.close()


_GIVES: ContextVar[Way | None] = ContextVar("_GIVES", default=None)
"""Who is given way to by what runs in this context; nobody where it is itself of the first class, or no reconcile."""


async def give_way() -> None:
    """Wait, within a reconcile that is not of the first class, until whoever goes first has been served."""
    way = _GIVES.get()
    if way is not None and way.is_made:
        await way.end()
