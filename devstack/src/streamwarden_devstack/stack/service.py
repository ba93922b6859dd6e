"""One server of the stack: started, waited for, and started again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamwarden_devstack.logs import end_of
from streamwarden_devstack.processes import Child
from streamwarden_devstack.stack.errors import ServiceFailedError
from streamwarden_devstack.stack.java import java_environment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from streamwarden_devstack.stack.java import StartupCache
    from streamwarden_devstack.stack.reporting import Reporter

_FIRST_BACKOFF_S = 0.1
_LONGEST_BACKOFF_S = 5.0
_GRACE_S = 10.0
_TRAINING_GRACE_S = 60.0
"""A JVM that writes its start-up cache at its end takes a few seconds more, once."""
_STEADY_S = 30.0
"""After this long without dying the backoff starts anew."""


@dataclass(frozen=True, slots=True)
class Server:
    """What a service runs and how it knows that it runs."""

    name: str
    command: Callable[[], Sequence[str]]
    """Asked before each start."""
    answers: Callable[[], Awaitable[None]]
    """Returns once the server answers; cancelled when that takes too long."""
    folder: Path
    log: Path
    start_timeout_s: float = 60.0


class Service:
    """A server kept alive: after :meth:`start` it is there until :meth:`stop`, but for short outages."""

    def __init__(self, server: Server, reporter: Reporter) -> None:
        self._server = server
        self._reporter = reporter
        self._child: Child | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """What people call the server."""
        return self._server.name

    @property
    def pid(self) -> int | None:
        """The server's own pid, another one after each restart; ``None`` while it does not run."""
        return self._child.child_pid if self._child is not None and self._child.returncode is None else None

    async def start(self) -> None:
        """Start the server and return once it answers.

        Raises:
            ServiceFailedError: It ended, or did not answer within its time. It does not run then.
        """
        await self._launch()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self, grace_s: float = 10.0) -> bool:
        """End the server; whether it ended by itself within the grace. Idempotent."""
        await self._keep_no_longer()
        if self._child is None:
            return True
        child, self._child = self._child, None
        started = time.monotonic()
        await child.stop(grace_s)
        return time.monotonic() - started < grace_s

    async def kill(self) -> None:
        """End the server with SIGKILL, and do not start it again; :meth:`start` does."""
        await self._keep_no_longer()
        if self._child is not None:
            child, self._child = self._child, None
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.child_pid, signal.SIGKILL)
            await child.stop(0.0)

    async def _keep_no_longer(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None

    async def _keep(self) -> None:
        """Start the server again whenever it ends, for ever."""
        backoff_s = _FIRST_BACKOFF_S
        since = time.monotonic()
        while self._child is not None:
            code = await self._child.wait()
            if time.monotonic() - since > _STEADY_S:
                backoff_s = _FIRST_BACKOFF_S
            self._reporter.note(f"{self._server.name} {_ended(code)}; starting it again")
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _LONGEST_BACKOFF_S)
            try:
                await self._launch()
            except (ServiceFailedError, OSError) as error:
                self._reporter.note(str(error))
            else:
                self._reporter.note(f"{self._server.name} answers again")
            since = time.monotonic()

    async def _launch(self) -> None:
        server = self._server
        self._child = child = await Child.start(
            server.command(), env=java_environment(), cwd=server.folder, log=server.log
        )
        answering = asyncio.ensure_future(server.answers())
        ending = asyncio.ensure_future(child.wait())
        try:
            await asyncio.wait((answering, ending), timeout=server.start_timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if answering.done() and not ending.done():
                answering.result()
                return
            what = _ended(ending.result()) if ending.done() else f"gave no answer in {server.start_timeout_s:.0f} s"
        finally:
            answering.cancel()
            ending.cancel()
        await child.stop(0.0)
        raise ServiceFailedError(
            f"{server.name} {what} at its start. Its log, {server.log}, ends:\n{end_of(server.log)}"
        )


async def stop_all(services: Sequence[Service], startup: StartupCache, reporter: Reporter) -> None:
    """End servers of one program, and keep the start-up cache that one of them has written if it was in training."""
    grace_s = _GRACE_S if startup.path.is_file() else _TRAINING_GRACE_S
    running = [service.name for service in services if service.pid is not None]
    if running and startup.may_be_trained:
        reporter.note(
            f"{running[0]} writes what makes its next starts faster: this once its end may take {grace_s:.0f} s"
        )
    if all(await asyncio.gather(*(service.stop(grace_s) for service in services))) and services:
        startup.keep()


async def run_once(server: Server) -> None:
    """Run a command of the stack to its end, in at most its start timeout.

    Raises:
        ServiceFailedError: It ended with another code than 0, or took too long.
    """
    child = await Child.start(server.command(), env=java_environment(), cwd=server.folder, log=server.log)
    try:
        async with asyncio.timeout(server.start_timeout_s):
            code = await child.wait()
    except TimeoutError:
        what = f"took more than {server.start_timeout_s:.0f} s"
    else:
        if code == 0:
            return
        what = _ended(code)
    finally:
        await child.stop(0.0)
    raise ServiceFailedError(f"{server.name} {what}. Its log, {server.log}, ends:\n{end_of(server.log)}")


def _ended(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
