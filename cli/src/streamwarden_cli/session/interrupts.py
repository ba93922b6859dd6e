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
_FIRST_WORD_S = 2.0
"""An end that takes longer says what it waits for,"""
_NEXT_WORD_S = 10.0
"""and again each time that so much more has passed."""


class Interrupts:
    """Answers each signal at once: what ends in order may take its time, and silence looks like deafness."""

    def __init__(self, screen: Screen, cancel: Callable[[], object]) -> None:
        self._screen = screen
        self._cancel = cancel
        self.first: signal.Signals | None = None
        """The one that ended the work."""

    def hear(self, number: signal.Signals) -> None:
        """End the work for the first one."""
        name = "Ctrl-C" if number == signal.SIGINT else number.name
        if self.first is not None:
            self._screen.say(f"{name}: ending in order already, and no faster for another one")
            return
        self.first = number
        self._screen.say(f"{name}: ending in order")
        self._cancel()


async def run_interruptibly(
    work: Callable[[], Awaitable[None]], screen: Screen, errors: tuple[type[Exception], ...]
) -> ExitCode:
    """Do the work; returns the exit code.

    Args:
        work: cancelled by the first of SIGINT, SIGTERM, SIGHUP; further ones change nothing, so that it can stop in
            order.
        screen: told of each signal at once, and of an error; closed at the end.
        errors: what counts as a failure whose message is all that a person needs.
    """
    running = asyncio.ensure_future(work())
    interrupts = Interrupts(screen, running.cancel)
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupts.hear, number)
    try:
        await running
    except asyncio.CancelledError:
        return ExitCode.of_signal(interrupts.first or signal.SIGINT)
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


async def told(what: str, ending: Awaitable[object], screen: Screen) -> None:
    """Wait for the end of something, and say what is waited for where that takes long."""
    task, patience_s = asyncio.ensure_future(ending), _FIRST_WORD_S
    while not (await asyncio.wait([task], timeout=patience_s))[0]:
        screen.say(f"waiting for the end of {what}")
        patience_s = _NEXT_WORD_S
    task.result()


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
