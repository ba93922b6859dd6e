"""One thread asks Kafka's clients, one call after another, and errors come back to who called."""

from __future__ import annotations

import asyncio
import threading

import pytest
from streamwarden.runtime.client_thread import ClientThread


async def test_calls_are_made_in_one_other_thread_in_their_order() -> None:
    thread, made = ClientThread(), list[tuple[int, int]]()

    def call(number: int, *, twice: bool = False) -> int:
        made.append((number, threading.get_ident()))
        return number * 2 if twice else number

    returned = await asyncio.gather(*(thread.call(call, number, twice=number == 2) for number in range(4)))
    thread.close()
    assert returned == [0, 1, 4, 3]
    assert [number for number, _ in made] == [0, 1, 2, 3]
    (where,) = {ident for _, ident in made}
    assert where != threading.get_ident()


async def test_what_a_call_raises_is_raised_to_its_caller_and_the_next_one_is_made() -> None:
    thread = ClientThread()
    with pytest.raises(ZeroDivisionError):
        await thread.call(divmod, 1, 0)
    assert await thread.call(divmod, 7, 2) == (3, 1)
    thread.close()


async def test_the_loop_goes_on_during_a_call_and_the_end_waits_for_it() -> None:
    thread, enough, done = ClientThread(), threading.Event(), list[bool]()

    def call() -> None:
        done.append(enough.wait(30))

    under_way = asyncio.create_task(thread.call(call))
    await asyncio.sleep(0)
    assert done == []
    enough.set()
    thread.close()
    assert done == [True]
    await under_way


async def test_nothing_is_called_after_the_end() -> None:
    thread = ClientThread()
    thread.close()
    with pytest.raises(RuntimeError):
        await thread.call(divmod, 7, 2)
