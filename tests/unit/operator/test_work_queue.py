"""The work queue: no change is missed, no two workers meet on one key, and a result says when the next turn is."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from streamwarden_operator.result import DONE, GONE, Result
from streamwarden_operator.work_queue import JITTER, WorkQueue
from support.operator_harness import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

RESYNC_S = 300.0


class Worked:
    """A queue whose delays are written down, and two workers of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queue: WorkQueue[str] = WorkQueue(base_delay_s=1.0, max_delay_s=5.0, resync_interval_s=RESYNC_S)
        self.delays: list[float] = []
        self.failures: list[str] = []
        monkeypatch.setattr(self.queue, "add_after", lambda _key, delay_s: self.delays.append(delay_s))

    @asynccontextmanager
    async def working(self, reconcile: Callable[[str], Awaitable[Result]]) -> AsyncIterator[None]:
        def report(_key: str, error: Exception) -> None:
            self.failures.append(str(error))

        workers = [asyncio.create_task(self.queue.work(reconcile, report)) for _ in range(2)]
        try:
            yield
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            self.queue.close()


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> Worked:
    return Worked(monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("result", "least_s", "most_s"),
    [
        pytest.param(DONE, RESYNC_S * (1 - JITTER), RESYNC_S * (1 + JITTER), id="what-is-done-waits-for-the-resync"),
        pytest.param(Result(status_changed=True), 270.0, 330.0, id="a-changed-status-too"),
        pytest.param(Result(requeue_after_s=7.5), 7.5, 7.5, id="a-requeue-has-its-own-time"),
        pytest.param(Result(requeue_after_s=0.5, gone=True), 0.5, 0.5, id="also-of-what-is-gone"),
    ],
)
async def test_a_result_says_when_the_next_turn_is(
    worked: Worked, result: Result, least_s: float, most_s: float
) -> None:
    async def reconcile(_key: str) -> Result:
        return result

    async with worked.working(reconcile):
        worked.queue.add("a")
        await until(lambda: worked.delays)
    assert len(worked.delays) == 1
    assert least_s <= worked.delays[0] <= most_s


async def test_what_is_gone_has_no_next_turn(worked: Worked) -> None:
    turns: list[str] = []

    async def reconcile(key: str) -> Result:
        turns.append(key)
        return GONE

    async with worked.working(reconcile):
        worked.queue.add("a")
        await until(lambda: turns and worked.queue.idle)
    assert (turns, worked.delays) == (["a"], [])


async def test_failures_are_reported_and_wait_longer_each_time_until_one_succeeds(worked: Worked) -> None:
    answers: list[Exception | Result] = [*(ValueError(str(number)) for number in range(4)), GONE, ValueError("again")]

    async def reconcile(_key: str) -> Result:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with worked.working(reconcile):
        for left in range(5, -1, -1):
            worked.queue.add("a")
            await until(lambda: len(answers) == left and worked.queue.idle)  # noqa: B023  # called in this round only
    assert worked.failures == ["0", "1", "2", "3", "again"]
    assert worked.delays == [1.0, 2.0, 4.0, 5.0, 1.0]


async def test_a_key_added_while_it_is_worked_on_is_worked_on_once_more_and_never_twice_at_once(worked: Worked) -> None:
    begun: list[str] = []
    at_once, go = 0, asyncio.Event()

    async def reconcile(key: str) -> Result:
        nonlocal at_once
        begun.append(key)
        at_once += 1
        assert at_once == 1
        await go.wait()
        at_once -= 1
        return GONE

    async with worked.working(reconcile):
        worked.queue.add("a")
        await until(lambda: begun)
        for _ in range(3):
            worked.queue.add("a")
        assert not worked.queue.idle
        go.set()
        await until(lambda: worked.queue.idle)
    assert (begun, worked.failures) == (["a", "a"], [])


async def test_the_earliest_of_several_turns_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 600)
    queue.add_after("a", 0)
    queue.add_after("a", 300)
    await until(lambda: not queue.idle)
    queue.close()
