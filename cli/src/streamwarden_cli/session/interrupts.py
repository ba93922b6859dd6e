"""Runs work until it is done, fails, or somebody presses Ctrl-C, and turns that into an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import structlog

from streamwarden_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streamwarden_cli.session.screen import Screen

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def run_interruptibly(
    work: Callable[[], Awaitable[None]], screen: Screen, errors: tuple[type[Exception], ...]
) -> ExitCode:
    """Do the work; returns the exit code.

    Args:
        work: cancelled by the first of SIGINT, SIGTERM, SIGHUP; further ones are ignored, so that it can stop in order.
        screen: told of an error; closed at the end.
        errors: what counts as a failure whose message is all that a person needs.
    """
    received: list[signal.Signals] = []
    running = asyncio.ensure_future(work())

    def interrupt(number: signal.Signals) -> None:
        if not received:
            received.append(number)
            running.cancel()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupt, number)
    try:
        await running
    except asyncio.CancelledError:
        return ExitCode.of_signal((received or [signal.SIGINT])[0])
    except errors as error:
        screen.say(f"error: {error}", problem=True)
        return ExitCode.FAILED
    finally:
        screen.close()
    return ExitCode.DONE


async def to_the_end(stop: Awaitable[None]) -> None:
    """Stop in order, whoever presses Ctrl-C again: what is half stopped would leave work half done."""
    stopping = asyncio.ensure_future(stop)
    while not stopping.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(stopping)
    stopping.result()


def log_to(file: object) -> None:
    """Send the logs, which are for programs, into an open text file: the screen is for people."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.WriteLoggerFactory(file=file),  # type: ignore[arg-type]  # an open text file
    )
