"""Time, for what takes a clock: conditions and Events; and rounds for what runs beside the work queue."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

TOLD_AGAIN_AFTER = timedelta(minutes=30)
"""What lasts is told again: an API server forgets an Event after an hour, by default."""

_log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """Return the time of day, with its zone."""
    return datetime.now(UTC)


async def repeat(
    tick: Callable[[float], Awaitable[None]], *, clock: Callable[[], float], every_s: float, failure: str
) -> None:
    """Repeat a round for ever. A defect costs a round, and not the loop.

    Args:
        tick: one round; it is given the clock's time.
        clock: seconds.
        every_s: seconds between the end of a round and the next.
        failure: what is logged where a round breaks.
    """
    while True:
        try:
            await tick(clock())
        except Exception as error:  # noqa: BLE001  # the outermost loop: no worker of the queue stands above it
            _log.error(failure, exc_info=error)
        await asyncio.sleep(every_s)


@dataclass(slots=True)
class Reminders:
    """What people were told last of each thing, and when."""

    clock: Callable[[], float] = time.monotonic
    told: dict[str, tuple[str, float]] = field(default_factory=dict)

    def due(self, about: str, message: str) -> bool:
        """Tell whether people are to be told this now, as new or as still so; then it counts as told."""
        before, when = self.told.get(about, ("", 0.0))
        now = self.clock()
        if message == before and now - when < TOLD_AGAIN_AFTER.total_seconds():
            return False
        self.told[about] = message, now
        return True

    def over(self, about: str) -> None:
        """Let the next word about it be news."""
        self.told.pop(about, None)
