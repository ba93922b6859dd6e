"""Time, for what takes a clock: conditions and Events; and rounds for what runs beside the work queue."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

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
