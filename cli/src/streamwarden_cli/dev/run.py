"""Starts and stops one run: manifests first, then the lock, then the loop; Ctrl-C at any time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

import structlog
from rich.console import Console
from streamwarden_operator.errors import OperatorError

from streamwarden_cli.dev.loop import Loop
from streamwarden_cli.dev.options import DevError, DevOptions
from streamwarden_cli.dev.screen import Screen, open_screen
from streamwarden_cli.dev.session import Session, Timing
from streamwarden_cli.local.folder import admit_folder
from streamwarden_cli.local.state import StateError, StateFolder
from streamwarden_cli.stack import ConsoleReporter, StackError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_contract.models.base import Kind

DONE, FAILED = 0, 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIGNAL_BASE = 128
"""A shell's exit code of a program that a signal ended: this plus the signal."""


def run_dev(options: DevOptions) -> int:
    """Run until idle, Ctrl-C or a failure; returns the exit code."""
    started = time.monotonic()
    console, errors = Console(), Console(stderr=True)
    admission = admit_folder(options.folder)
    if not admission.resources and not admission.problems:
        errors.print(f"error: no manifests in {options.folder}", markup=False, highlight=False)
        return FAILED
    for problem in admission.problems:
        errors.print(str(problem), markup=False, highlight=False, soft_wrap=True)
    if admission.problems:
        errors.print("nothing was started", markup=False, highlight=False)
        return FAILED
    state = StateFolder(options.folder)
    os.umask(0o077)
    try:
        with state.locked():
            state.prepare()
            with (state.logs / "dev.log").open("a", encoding="utf-8") as log:
                _log_to(log)
                return asyncio.run(_Run(options, state, console, started).run(admission.resources))
    except (StateError, OSError) as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return FAILED


def _log_to(log: object) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.WriteLoggerFactory(file=log),  # type: ignore[arg-type]  # an open text file
    )


class _Run:
    def __init__(self, options: DevOptions, state: StateFolder, console: Console, started: float) -> None:
        self._options = options
        self._state = state
        self._console = console
        self._timing = Timing(started)
        self._signal: signal.Signals | None = None

    async def run(self, resources: Sequence[Kind]) -> int:
        """Run; returns the exit code."""
        screen = open_screen(self._console)
        work = asyncio.create_task(self._work(resources, screen))
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._interrupt, number, work)
        try:
            await work
        except asyncio.CancelledError:
            return self._interrupted()
        except (DevError, StackError, OperatorError) as error:
            screen.say(f"error: {error}", problem=True)
            return FAILED
        finally:
            screen.close()
        return DONE

    async def _work(self, resources: Sequence[Kind], screen: Screen) -> None:
        loop = Loop(self._options, self._state, screen, ConsoleReporter(self._console))
        try:
            screen.say("starting Kafka" + (" and the schema registry" if self._options.registry else ""))
            await loop.start(resources)
            self._note_stack(loop, screen)
            await _unless_lost(Session(self._options, self._state, screen, loop, self._timing), loop)
        finally:
            screen.say("stopping")
            # Shielded from a second Ctrl-C: what is half stopped would leave work half done.
            stopping = asyncio.ensure_future(loop.stop())
            while not stopping.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(stopping)
            stopping.result()

    def _note_stack(self, loop: Loop, screen: Screen) -> None:
        timing = self._timing
        timing.download_s = loop.stack.seconds["download"]
        timing.stack = timing.started + timing.download_s + loop.stack.seconds["kafka"]
        screen.say(f"Kafka answers at {loop.stack.bootstrap_servers} after {loop.stack.seconds['kafka']:.1f} s")
        if ignored := loop.cluster.ignored_pod_fields():
            screen.say(f"agents run as processes of this Python; dev ignores {', '.join(ignored)}")

    def _interrupt(self, number: signal.Signals, work: asyncio.Task[None]) -> None:
        if self._signal is None:
            self._signal = signal.Signals(number)
            work.cancel()

    def _interrupted(self) -> int:
        return _SIGNAL_BASE + (self._signal or signal.SIGINT)


async def _unless_lost(session: Session, loop: Loop) -> None:
    """Run the session, and give up once another operator publishes policies: nothing here would take effect."""
    running, lost = asyncio.create_task(session.run()), asyncio.create_task(loop.lost())
    try:
        await asyncio.wait((running, lost), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise DevError("another operator publishes this Kafka's policies now; only one can")
        running.result()
    finally:
        for task in (running, lost):
            task.cancel()
        await asyncio.gather(running, lost, return_exceptions=True)
