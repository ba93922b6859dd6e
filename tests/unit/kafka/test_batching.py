from __future__ import annotations

import asyncio

import pytest
from streamwarden_kafka.batching import Batcher


class Backend:
    """Answers with the items asked for, when it is told to."""

    def __init__(self) -> None:
        self.asked: list[frozenset[str]] = []
        self.answer = asyncio.Event()
        self.begun = asyncio.Event()

    async def ask(self, items: frozenset[str]) -> frozenset[str]:
        self.asked.append(items)
        self.begun.set()
        await self.answer.wait()
        if "bad" in items:
            raise ValueError("bad")
        return items


async def test_what_is_asked_at_the_same_time_shares_a_request() -> None:
    backend = Backend()
    backend.answer.set()
    batcher = Batcher(backend.ask)
    answers = await asyncio.gather(batcher.get("a"), batcher.get("b"), batcher.get(["a", "c"]))
    assert backend.asked == [frozenset("abc")]
    assert list(answers) == [frozenset("abc")] * 3


async def test_who_asks_during_a_request_gets_a_later_answer() -> None:
    backend = Backend()
    batcher = Batcher(backend.ask)
    first = asyncio.create_task(batcher.get("a"))
    await backend.begun.wait()
    later = [asyncio.create_task(batcher.get(item)) for item in ("a", "b")]
    await asyncio.sleep(0)
    backend.answer.set()
    assert await first == frozenset("a")
    assert list(await asyncio.gather(*later)) == [frozenset("ab")] * 2
    assert backend.asked == [frozenset("a"), frozenset("ab")]


async def test_an_error_is_everybodys_and_the_next_request_is_free_of_it() -> None:
    backend = Backend()
    backend.answer.set()
    batcher = Batcher(backend.ask)
    answers = await asyncio.gather(batcher.get(["bad"]), batcher.get("a"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ValueError, ValueError]
    assert await batcher.get("a") == frozenset("a")


async def test_one_callers_end_does_not_end_the_others_request() -> None:
    backend = Backend()
    batcher = Batcher(backend.ask)
    leaving, staying = asyncio.create_task(batcher.get("a")), asyncio.create_task(batcher.get("b"))
    await backend.begun.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    backend.answer.set()
    assert await staying == frozenset("ab")
