"""Who is cancelled in the middle of a blocking call ends after it: the next call never meets it."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from streamwarden_operator.adapters.kafka.threads import run_to_its_end
from streamwarden_operator.errors import LeadershipLostError


async def test_what_is_returned_or_raised_is_the_caller_s() -> None:
    assert await run_to_its_end(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await run_to_its_end(lambda: 1 // 0)


async def test_what_fails_after_its_caller_was_ended_is_no_defect_in_the_log() -> None:
    loop, said = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _, context: said.append(str(context["message"])))
    await asyncio.create_task(ended_before_it_fails())
    gc.collect()
    assert said == []


async def ended_before_it_fails() -> None:
    loop, begun, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def fail() -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(5)
        raise LeadershipLostError("another one leads")

    caller = asyncio.create_task(run_to_its_end(fail))
    await begun.wait()
    caller.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await caller


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
