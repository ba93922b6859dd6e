"""What makes way while an edit of a policy is worked on: what runs beside it takes its processor."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from streamwarden_operator import way
from streamwarden_operator.result import GONE, Result
from streamwarden_operator.way import Way, give_way
from streamwarden_operator.work_queue import Priority, WorkQueue
from support.operator_harness import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest


class Urgent:
    """A queue with workers for all and one for the first class, whose keys begin with ``p`` and last as told."""

    def __init__(self) -> None:
        self.queue: WorkQueue[str] = WorkQueue(lambda key: Priority.FIRST if key[0] == "p" else Priority.NEW)
        self.begun: list[str] = []
        self.asked: list[str] = []
        self.ends, self.goes_on = asyncio.Event(), asyncio.Event()
        self.goes_on.set()

    async def reconcile(self, key: str) -> Result:
        self.begun.append(key)
        if key[0] == "p":
            await self.ends.wait()
        else:
            await self.goes_on.wait()
        await give_way()
        self.asked.append(key)
        return GONE

    @asynccontextmanager
    async def working(self, workers: int = 1) -> AsyncIterator[None]:
        work, urgent = self.queue.work, (True, *[False] * workers)
        tasks = [asyncio.create_task(work(self.reconcile, _ignore, urgent=each)) for each in urgent]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.queue.close()


def _ignore(_key: str, _error: Exception) -> None:
    """Nothing fails."""


async def test_x86_nothing_new_is_begun_while_an_edit_is_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "WAY_S", 3_600.0)
    made = Urgent()
    async with made.working():
        made.queue.add("p")
        await until(lambda: made.begun)
        made.queue.add("a")
        for _ in range(100):
            await asyncio.sleep(0)
        assert made.begun == ["p"]
        made.ends.set()
        await until(lambda: made.begun == ["p", "a"])


async def test_x86_what_was_begun_before_an_edit_asks_nobody_anything_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(way, "WAY_S", 3_600.0)
    made = Urgent()
    made.goes_on.clear()
    async with made.working():
        made.queue.add("a")
        await until(lambda: made.begun)
        made.queue.add("p")
        await until(lambda: made.begun == ["a", "p"])
        made.goes_on.set()
        for _ in range(100):
            await asyncio.sleep(0)
        assert made.asked == []
        made.ends.set()
        await until(lambda: made.asked == ["p", "a"])


async def test_nobody_makes_way_for_a_policy_of_which_nothing_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "WAY_S", 3_600.0)
    made = Urgent()
    async with made.working(workers=2):
        made.queue.add_last("p")
        await until(lambda: made.begun)
        made.queue.add("a")
        await until(lambda: made.begun == ["p", "a"])


async def test_x86_an_edit_that_hangs_stops_nobody_for_longer_than_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "WAY_S", 0.01)
    made = Urgent()
    async with made.working():
        made.queue.add("p")
        await until(lambda: made.begun)
        made.queue.add("a")
        await until(lambda: made.begun == ["p", "a"])


async def test_x86_others_go_on_for_as_long_as_they_have_waited_before_the_next_edit_stops_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s, made = 100.0, Way()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now_s)
    with made.made():
        assert made.is_made
        now_s += 0.4
    assert not made.is_made
    now_s += 0.3
    with made.made():
        assert not made.is_made
    now_s += 0.2
    with made.made():
        assert made.is_made
    made.close()
