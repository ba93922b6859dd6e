"""Whoever ends a run is answered at once, and told what the end waits for."""

from __future__ import annotations

import asyncio
import signal

import pytest
from streamwarden_cli.session import interrupts
from streamwarden_cli.session.interrupts import Interrupts, told
from support.shown import Shown
from typing_extensions import override


def test_each_ctrl_c_is_answered_and_the_first_alone_ends_the_work() -> None:
    screen, ended = Shown(), list[int]()
    heard = Interrupts(screen, lambda: ended.append(len(screen.said)))

    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        heard.hear(number)

    assert screen.said == [
        "Ctrl-C: ending in order",
        "Ctrl-C: ending in order already, and no faster for another one",
        "SIGTERM: ending in order already, and no faster for another one",
    ]
    assert (ended, heard.first) == ([1], signal.SIGINT)


async def test_an_end_that_takes_long_says_again_and_again_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_FIRST_WORD_S", 0.0)
    monkeypatch.setattr(interrupts, "_NEXT_WORD_S", 0.0)
    enough = asyncio.Event()

    class Counting(Shown):
        @override
        def say(self, text: str, *, problem: bool = False) -> None:
            super().say(text, problem=problem)
            if len(self.said) == 3:
                enough.set()

    screen = Counting()
    async with asyncio.timeout(60):
        await told("agents and gates", enough.wait(), screen)

    assert screen.said[:3] == ["waiting for the end of agents and gates"] * 3


async def test_an_end_at_once_needs_no_word_and_one_that_fails_says_why() -> None:
    async def fail() -> None:
        raise ValueError("no end")

    screen = Shown()
    await told("Kafka", asyncio.sleep(0), screen)
    with pytest.raises(ValueError, match="no end"):
        await told("Kafka", fail(), screen)

    assert screen.said == []
