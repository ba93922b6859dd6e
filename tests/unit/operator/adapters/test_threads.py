"""Who is cancelled in the middle of a blocking call ends after it: the next call never meets it."""

from __future__ import annotations

import asyncio
import threading

import pytest
from streamwarden_operator.adapters.kafka.threads import run_to_its_end


async def test_what_is_returned_or_raised_is_the_caller_s() -> None:
    assert await run_to_its_end(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await run_to_its_end(lambda: 1 // 0)


async def test_x98_a_reconcile_that_is_ended_does_not_leave_its_thread_behind() -> None:
    begun, go_on, ended = asyncio.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(5)
        ended.set()

    async with asyncio.timeout(5):
        caller = asyncio.create_task(run_to_its_end(ask))
        await begun.wait()
        caller.cancel()
        await asyncio.sleep(0)
        assert not caller.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await caller
    assert ended.is_set()
