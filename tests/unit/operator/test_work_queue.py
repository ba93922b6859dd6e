"""The work queue: no change is missed, no two workers meet on one key, and a result says when the next turn is."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_operator.errors import KafkaThrottledError, KafkaUnavailableError
from streamwarden_operator.result import DONE, GONE, Result
from streamwarden_operator.work_queue import FAIR_TURN, JITTER, Priority, WorkQueue
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
        monkeypatch.setattr(self.queue, "add_after", lambda _key, delay_s, **_: self.delays.append(delay_s))

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
        pytest.param(Result(resync_within_s=42.0), 42.0, 42.0, id="a-resync-comes-early-where-looks-are-too-old-then"),
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


async def test_f38_who_must_wait_is_not_tried_before_its_time(worked: Worked) -> None:
    errors = [KafkaThrottledError("wait", retry_after_s=30.0), KafkaThrottledError("wait"), KafkaUnavailableError("x")]

    async def reconcile(_key: str) -> Result:
        raise errors.pop(0)

    async with worked.working(reconcile):
        for left in range(2, -1, -1):
            worked.queue.add("a")
            await until(lambda: len(errors) == left and worked.queue.idle)  # noqa: B023  # called in this round only
    assert worked.delays == [30.0, 2.0, 4.0]


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


URGENCY = {"p": Priority.FIRST, "c": Priority.HALF_DONE, "a": Priority.NEW}


class Ordered:
    """A queue with priorities by the first letter of a key, and one worker that stands still until it is let go."""

    def __init__(self) -> None:
        self.queue: WorkQueue[str] = WorkQueue(lambda key: URGENCY[key[0]], resync_interval_s=RESYNC_S)
        self.order: list[str] = []

    async def work_off(self, *, until_done: int) -> list[str]:
        """Let one worker take so many keys, and return them in order."""

        async def reconcile(key: str) -> Result:
            self.order.append(key)
            return Result(requeue_after_s=RESYNC_S)

        worker = asyncio.create_task(self.queue.work(reconcile, lambda _, error: pytest.fail(str(error))))
        await until(lambda: len(self.order) >= until_done)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        self.queue.close()
        return self.order


async def test_policies_come_before_what_is_half_done_and_that_before_what_is_new() -> None:
    """X86: an edit of a policy waited 14 s behind 200 new agents."""
    made = Ordered()
    for key in ("a1", "a2", "c1", "p1"):
        made.queue.add(key)
    assert dict(made.queue.waiting) == {
        Priority.FIRST: 1,
        Priority.HALF_DONE: 1,
        Priority.NEW: 2,
        Priority.RESYNC: 0,
    }
    assert await made.work_off(until_done=4) == ["p1", "c1", "a1", "a2"]


async def test_what_was_looked_at_comes_before_what_nobody_has_looked_at() -> None:
    """X86: of 1,000 agents that came up side by side hardly one was finished."""
    made = Ordered()
    made.queue.add("a1")
    await made.work_off(until_done=1)
    for key in ("a2", "a3", "a1"):
        made.queue.add(key)
    assert await made.work_off(until_done=4) == ["a1", "a1", "a2", "a3"]


async def test_a_resync_comes_last_until_something_changes() -> None:
    made = Ordered()
    for key in ("a1", "a2"):
        made.queue.add(key)
    await made.work_off(until_done=2)
    for key in ("a1", "a2"):
        made.queue.add_after(key, 0, resync=True)
    await until(lambda: made.queue.waiting[Priority.RESYNC] == 2)
    made.queue.add("a3")
    made.queue.add("a2")
    assert made.queue.waiting[Priority.RESYNC] == 1
    assert (await made.work_off(until_done=5))[2:] == ["a2", "a3", "a1"]


async def test_x86_what_nobody_waits_for_comes_after_what_nobody_has_looked_at() -> None:
    made = Ordered()
    made.queue.add("a1")
    await made.work_off(until_done=1)
    made.queue.add_last("a1")
    for key in ("a2", "a3"):
        made.queue.add(key)
    assert await made.work_off(until_done=4) == ["a1", "a2", "a3", "a1"]


async def test_a_less_urgent_ask_changes_nothing() -> None:
    made = Ordered()
    made.queue.add("p1")
    made.queue.add_last("p1")
    assert made.queue.waiting[Priority.FIRST] == 1
    assert await made.work_off(until_done=1) == ["p1"]


async def test_x86_who_is_asked_for_again_keeps_its_place() -> None:
    """An agent whose gates speak all the time would else never have its turn beside others."""
    made = Ordered()
    for key in ("a1", "a2", "a1"):
        made.queue.add(key)
    assert await made.work_off(until_done=2) == ["a1", "a2"]


async def test_x86_who_is_to_come_last_keeps_its_time() -> None:
    """An edit of a policy put agents that were to be tried again in a moment behind all others."""
    made = Ordered()
    made.queue.add_after("a1", 0)
    made.queue.add_last("a1")
    await until(lambda: made.queue.waiting[Priority.NEW] == 1)
    assert await made.work_off(until_done=1) == ["a1"]


async def test_x86_a_time_brings_forward_who_is_to_come_last() -> None:
    """A new agent's binding waited behind the resync of 1,000 others, where its log's own was among them."""
    made = Ordered()
    made.queue.add_last("p1")
    made.queue.add_after("p1", 0)
    made.queue.add_after("p1", 0, resync=True)
    await until(lambda: made.queue.waiting[Priority.FIRST] == 1)
    assert await made.work_off(until_done=1) == ["p1"]


async def test_who_comes_last_before_its_time_has_one_turn() -> None:
    made = Ordered()
    made.queue.add_after("a1", RESYNC_S)
    made.queue.add_last("a1")
    (timer,) = made.queue._timers.values()
    during: list[bool] = []

    async def reconcile(_: str) -> Result:
        during.append(timer.cancelled())
        return Result(requeue_after_s=RESYNC_S)

    worker = asyncio.create_task(made.queue.work(reconcile, lambda _, error: pytest.fail(str(error))))
    await until(lambda: during and made.queue.idle)
    worker.cancel()
    made.queue.close()  # cancels every timer, so it is looked at before
    assert during == [True]


async def test_one_turn_of_some_goes_to_who_has_waited_longest_in_the_last_class() -> None:
    made = Ordered()
    for key in ("a1", "a2", *(f"p{number}" for number in range(2 * FAIR_TURN))):
        made.queue.add(key)
    order = (await made.work_off(until_done=2 * FAIR_TURN))[: 2 * FAIR_TURN]
    assert (order[FAIR_TURN - 1], order[2 * FAIR_TURN - 1]) == ("a1", "a2")
    assert [key for key in order if key[0] == "p"] == [f"p{number}" for number in range(2 * FAIR_TURN - 2)]


@pytest.mark.parametrize(("busy", "waits"), [("p", "c"), ("p", "a"), ("c", "a")])
async def test_x86_no_class_waits_for_ever_for_others_that_always_have_keys(busy: str, waits: str) -> None:
    """What nobody waits for took all fair turns: with a policy's 1,000 agents there, contracts had none."""
    made = Ordered()
    for number in range(12 * FAIR_TURN):
        made.queue.add(f"{busy}{number}")
        made.queue.add_last(f"a-last-{number}")
    made.queue.add(f"{waits}0")
    assert f"{waits}0" in (await made.work_off(until_done=3 * FAIR_TURN))[: 3 * FAIR_TURN]


async def test_what_is_gone_is_new_when_it_comes_again() -> None:
    queue: WorkQueue[str] = WorkQueue(lambda _: Priority.NEW)

    async def gone(_key: str) -> Result:
        return GONE

    worker = asyncio.create_task(queue.work(gone, lambda _, error: pytest.fail(str(error))))
    queue.add("a1")
    await until(lambda: queue.idle)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    queue.add("a1")
    assert queue.waiting[Priority.NEW] == 1


@given(asks=st.lists(st.tuples(st.sampled_from(["p1", "c1", "a1", "a2"]), st.sampled_from(Priority)), max_size=30))
async def test_however_it_is_asked_each_key_has_one_turn(asks: list[tuple[str, Priority]]) -> None:
    made = Ordered()
    for key, priority in asks:
        made.queue._add(key, priority)
    keys = {key for key, _ in asks}
    assert sum(made.queue.waiting.values()) == made.queue._tokens.qsize() == len(keys)
    assert sorted(await made.work_off(until_done=len(keys))) == sorted(keys)
    assert made.queue.idle


@pytest.mark.parametrize("workers", [1, 3])
async def test_with_a_worker_for_urgent_keys_each_key_has_exactly_one_turn(workers: int) -> None:
    turns: Counter[str] = Counter()
    queue: WorkQueue[str] = WorkQueue(lambda key: Priority.FIRST if key.startswith("policy") else Priority.NEW)

    async def reconcile(key: str) -> Result:
        turns[key] += 1
        await asyncio.sleep(0)
        return GONE

    tasks = [
        asyncio.create_task(queue.work(reconcile, lambda _key, _error: None, urgent=number == 0))
        for number in range(workers + 1)
    ]
    keys = [f"{kind}-{number}" for number in range(50) for kind in ("policy", "agent")]
    for number, key in enumerate(keys):
        queue.add(key)
        if number % 7 == 0:
            await asyncio.sleep(0)
    await until(lambda: queue.idle)
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    queue.close()
    assert turns == Counter(keys)
