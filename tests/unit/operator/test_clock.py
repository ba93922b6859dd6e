"""What runs beside the work queue goes on after a defect."""

from __future__ import annotations

import asyncio
from itertools import count

from streamwarden_operator.clock import repeat, utc_now
from structlog.testing import capture_logs
from support.operator_harness import until


async def test_a_broken_round_is_logged_and_the_next_one_comes() -> None:
    rounds: list[float] = []
    times = count()

    async def tick(now_s: float) -> None:
        rounds.append(now_s)
        if len(rounds) == 1:
            raise ZeroDivisionError

    with capture_logs() as logs:
        running = asyncio.create_task(
            repeat(tick, clock=lambda: float(next(times)), every_s=0, failure="the round broke")
        )
        await until(lambda: len(rounds) >= 3)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert rounds[:3] == [0.0, 1.0, 2.0]
    assert [entry["event"] for entry in logs] == ["the round broke"]


def test_the_time_has_its_zone() -> None:
    assert str(utc_now().tzinfo) == "UTC"
