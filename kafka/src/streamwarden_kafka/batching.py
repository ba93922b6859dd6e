"""One request for what many ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Generic, TypeVar

K = TypeVar("K")
R = TypeVar("R")


class Batcher(Generic[K, R]):
    """Gathers what is asked for while a request is under way, and asks for all of it with the next one.

    An answer is never older than the question: who asks during a request waits for the next one.
    """

    def __init__(self, ask: Callable[[frozenset[K]], Awaitable[R]]) -> None:
        """Make a batcher.

        Args:
            ask: sends one request for all items. Its error is everybody's: errors of one item belong into the answer.
        """
        self._ask = ask
        self._one_at_a_time = asyncio.Lock()
        self._items: set[K] = set()
        self._next: asyncio.Task[R] | None = None

    async def get(self, items: Collection[K]) -> R:
        """Return the answer to a request that began after this call and covers ``items``, and perhaps more."""
        self._items.update(items)
        if self._next is None:
            self._next = asyncio.create_task(self._send())
            self._next.add_done_callback(_look_at_error)
        return await asyncio.shield(self._next)  # one caller's end must not end the others' request

    async def _send(self) -> R:
        async with self._one_at_a_time:
            items, self._items, self._next = frozenset(self._items), set(), None
            return await self._ask(items)


def _look_at_error(task: "asyncio.Task[R]") -> None:
    """Take note of the error: every caller may have been cancelled, and then nobody else does."""
    if not task.cancelled():
        task.exception()
