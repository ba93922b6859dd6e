from __future__ import annotations

import asyncio

from streamwarden.runtime.pauses import LoopClock, Pauses
from support.sdk_fakes import FakeClock


async def test_pauses_grow_to_five_seconds_and_begin_anew_after_a_success() -> None:
    clock = FakeClock()
    pauses, waited_s = Pauses(clock, asyncio.Event()), list[float]()

    async def pause() -> None:
        before_s = clock.s
        await pauses.pause()
        waited_s.append(round(clock.s - before_s, 3))

    for _ in range(8):
        await pause()
    pauses.reset()
    await pause()
    assert waited_s == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 0.1]


async def test_a_stop_ends_a_pause_at_once() -> None:
    clock, stop = FakeClock(), asyncio.Event()
    stop.set()
    await Pauses(clock, stop).pause()
    assert clock.s == FakeClock().s


async def test_the_loops_clock_leaves_work_that_takes_longer_going() -> None:
    enough = asyncio.Event()
    work = asyncio.create_task(enough.wait())
    assert not await LoopClock().wait(work, 0)
    assert not work.done()
    enough.set()
    assert await LoopClock().wait(work, 5)
