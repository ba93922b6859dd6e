"""Records go one after another for each key, and side by side over keys."""

from __future__ import annotations

import asyncio
import contextvars

import pytest
from streamwarden.core.lanes import Lanes, Work
from streamwarden.core.records import Handled, Record
from typing_extensions import override


def record(offset: int, key: bytes | None) -> Record:
    return Record("t", 0, offset, 0, key, b"{}", ())


class Gates:
    """Work that waits for a record's gate, where there is one."""

    def __init__(self, *offsets: int) -> None:
        self.gates = {offset: asyncio.Event() for offset in offsets}
        self.begun: list[int] = []

    async def __call__(self, each: Record) -> Handled:
        self.begun.append(each.offset)
        if each.offset in self.gates:
            await self.gates[each.offset].wait()
        return Handled(each)


def offsets(handled: list[Handled]) -> list[int]:
    return [each.record.offset for each in handled]


async def test_a_key_that_waits_holds_up_no_other_and_its_own_records_stay_in_order() -> None:
    work = Gates(0)
    lanes = Lanes(work)
    lanes.add([record(0, b"a"), record(1, b"b"), record(2, b"a")])
    await lanes.begun()
    lanes.add([record(3, b"a"), record(4, b"b"), record(5, None), record(6, None)])
    await lanes.begun()
    assert (work.begun, lanes.under_way, len(lanes)) == ([0, 1, 4, 5, 6], 3, 1)
    assert offsets(lanes.take()) == [1, 4, 5, 6]
    assert not lanes.has_results
    work.gates[0].set()
    await lanes.all()
    assert offsets(lanes.take(2)) == [0, 2]
    await lanes.some()
    assert offsets(lanes.take(2)) == [3]
    assert (lanes.under_way, len(lanes), lanes.has_results) == (0, 0, False)


async def test_who_waits_for_some_hears_of_the_first_that_is_done() -> None:
    work = Gates(0, 1)
    lanes = Lanes(work)
    lanes.add([record(0, b"a"), record(1, b"b")])
    waiting = asyncio.create_task(lanes.some())
    await lanes.begun()
    assert not waiting.done()
    work.gates[1].set()
    await waiting
    assert offsets(lanes.take()) == [1]
    assert await lanes.cancel() == 1


async def test_slow_work_without_awaits_lets_others_run_in_between() -> None:
    turns, at_each = 0, list[int]()

    async def work(each: Record) -> Handled:
        at_each.append(turns)
        return Handled(each)

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    lanes = Lanes(work)
    lanes.add([record(offset, b"a" if offset < 5 else b"%d" % offset) for offset in range(10)])
    await lanes.all()
    counting.cancel()
    assert len(set(at_each)) >= 5, at_each
    assert len(lanes.take()) == 10


def keys(count: int) -> list[Record]:
    return [record(offset, b"%d" % offset) for offset in range(count)]


async def test_tasks_are_made_for_lanes_that_wait_and_not_for_each_event() -> None:
    tasks = list[object]()
    waits = asyncio.Event()

    async def work(each: Record) -> Handled:
        tasks.append(asyncio.current_task())
        if each.offset >= 40:
            await waits.wait()
        return Handled(each)

    lanes = Lanes(work)
    lanes.add(keys(80))
    await lanes.begun()
    assert (len(set(tasks[:40])), len(set(tasks[40:]))) == (10, 40)
    assert offsets(lanes.take()) == list(range(40))
    waits.set()
    await lanes.all()
    assert sorted(offsets(lanes.take())) == list(range(40, 80))


async def test_what_a_handler_leaves_in_its_context_no_other_key_gets() -> None:
    left, seen = contextvars.ContextVar("left", default=-1), list[int]()

    async def work(each: Record) -> Handled:
        seen.append(left.get())
        left.set(each.offset)
        return Handled(each)

    lanes = Lanes(work)
    lanes.add(keys(6))
    await lanes.all()
    assert seen == [-1] * 6


async def test_an_equal_value_that_a_handler_leaves_in_its_context_no_other_key_gets() -> None:
    left, first, seen = contextvars.ContextVar[list[int]]("left"), list[int](), list[list[int]]()
    left.set(first)

    async def work(each: Record) -> Handled:
        seen.append(left.get())
        left.set([])
        return Handled(each)

    lanes = Lanes(work)
    lanes.add(keys(6))
    await lanes.all()
    assert [each is first for each in seen] == [True] * 6


async def test_values_in_a_context_that_cannot_be_compared_end_nothing() -> None:
    class Array:
        """As an array is that has many elements."""

        __hash__ = None  # type: ignore[assignment]  # as arrays have none

        @override
        def __eq__(self, other: object) -> bool:
            raise ValueError("ambiguous")

    left = contextvars.ContextVar[Array]("left")
    left.set(Array())

    async def work(each: Record) -> Handled:
        left.set(Array())
        return Handled(each)

    lanes = Lanes(work)
    lanes.add(keys(6))
    await lanes.all()
    assert offsets(lanes.take()) == list(range(6))


async def test_a_cancellation_that_a_handler_leaves_behind_meets_no_other_key() -> None:
    async def work(each: Record) -> Handled:
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()
        task.cancel()
        return Handled(each)

    lanes = Lanes(work)
    lanes.add(keys(6))
    await lanes.all()
    assert offsets(lanes.take()) == list(range(6))


async def test_what_was_cancelled_leaves_nothing_behind() -> None:
    work = Gates(0, 1)
    lanes = Lanes(work)
    lanes.add([record(0, b"a"), record(1, b"b"), record(2, b"a"), record(3, b"c")])
    await lanes.begun()
    assert await lanes.cancel() == 3
    assert (lanes.under_way, len(lanes), lanes.take()) == (0, 0, [])
    lanes.add([record(4, b"a")])
    await lanes.all()
    assert offsets(lanes.take()) == [4]


async def test_what_waits_can_be_dropped_and_what_has_begun_ends() -> None:
    work = Gates(0)
    lanes = Lanes(work)
    lanes.add([record(0, b"a"), record(1, b"a")])
    await lanes.begun()
    lanes.add([record(2, b"b"), record(3, b"c")])
    lanes.drop_waiting()
    assert lanes.under_way == 1
    work.gates[0].set()
    await lanes.all()
    assert (offsets(lanes.take()), work.begun) == ([0], [0])


async def raises(_each: Record) -> Handled:
    raise ValueError("a fault of ours")


async def cancels_itself(each: Record) -> Handled:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)
    return Handled(each)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        pytest.param(raises, "a fault of ours", id="an-error"),
        pytest.param(cancels_itself, "a handler has cancelled the task", id="its-own-end"),
    ],
)
async def test_what_work_raises_is_raised_where_results_are_taken(work: Work, message: str) -> None:
    lanes = Lanes(work)
    lanes.add([record(0, b"a")])
    await lanes.some()
    assert lanes.has_results
    with pytest.raises((ValueError, RuntimeError), match=message):
        lanes.take()
    await lanes.cancel()
