"""Time as the process has it, and the pauses before Kafka is asked again."""

import asyncio
import time
from typing import Any

from typing_extensions import override

from streamwarden.runtime.ports import Clock

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_MOST_DOUBLINGS = 16


class LoopClock(Clock):
    """The event loop's time."""

    @override
    def now_s(self) -> float:
        return time.monotonic()

    @override
    async def wait(self, work: asyncio.Task[Any], timeout_s: float) -> bool:
        done, _ = await asyncio.wait({work}, timeout=timeout_s)
        return bool(done)


class Pauses:
    """Pauses that grow with each failure in a row, and end when we are told to stop."""

    def __init__(self, clock: Clock, stop: asyncio.Event) -> None:
        self._clock = clock
        self._stop = stop
        self._failures_in_a_row = 0

    async def pause(self) -> None:
        """Wait a little, longer each time, before Kafka is asked again."""
        pause_s = min(_FIRST_PAUSE_S * 2**self._failures_in_a_row, _LONGEST_PAUSE_S)
        self._failures_in_a_row = min(self._failures_in_a_row + 1, _MOST_DOUBLINGS)
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await self._clock.wait(stopping, pause_s)
        finally:
            stopping.cancel()

    def reset(self) -> None:
        """Begin with the shortest again, as after a success."""
        self._failures_in_a_row = 0
