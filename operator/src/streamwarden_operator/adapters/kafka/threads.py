"""Blocking calls of Kafka's clients, for callers that may be cancelled."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def run_to_its_end(call: Callable[[], T]) -> T:
    """Run in a thread, and end, also when cancelled, only once the thread has: the next call must not meet it."""
    task = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        task.exception()  # nobody waits for it any more: unasked, it would be logged as a defect
        raise
