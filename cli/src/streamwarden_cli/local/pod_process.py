"""One process of a pod, kept running: started again with growing waits whenever it ends."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from streamwarden_devstack.logs import last_lines
from streamwarden_devstack.processes import Child

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_log = structlog.get_logger(__name__)

_LAST_LINES = 5
_WIDTH = 500
"""A longer line is cut: they go into a condition's message."""
_READY_POLL_S = 0.1
LAST_LINES_MARK = ". Its last lines:\n"
"""Stands between how a process ended and what it said last."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a restart: doubling, and from the beginning after a long run. Seconds."""

    first_s: float = 1.0
    cap_s: float = 30.0
    reset_after_s: float = 60.0
    settled_after_s: float = 5.0
    """A restarted process that has run so long is no longer called crashing."""

    def delay_s(self, failures: int) -> float:
        """Return the wait before the next start after ``failures`` (1 or more) ends in a row."""
        return min(self.first_s * 2.0 ** min(failures - 1, 32), self.cap_s)


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start: the command with its whole environment, nothing of ours is added."""

    name: str
    """For people: ``agent of risk/url-guard``."""
    command: Sequence[str | Path]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    log: Path
    ready_file: Path | None = None
    """File that the process makes when it is ready; without one nobody asks."""


class PodProcess:
    """Keeps one command running until :meth:`stop`."""

    def __init__(self, launch: Launch, backoff: Backoff, changed: Callable[[], None]) -> None:
        self._launch = launch
        self._backoff = backoff
        self._changed = changed
        self._child: Child | None = None
        self._crashing = ""
        self._ready = False
        self.starts = 0
        """How often it was started."""
        self._task = asyncio.create_task(self._keep_running())

    @property
    def pid(self) -> int | None:
        """The command's pid; None while it does not run."""
        return self._child.child_pid if self._child is not None else None

    @property
    def ready(self) -> bool:
        """Whether it runs and has made its ready file."""
        return self._ready

    @property
    def crashing(self) -> str:
        """Why it ended, with its last lines, until a restart has proved itself; else empty."""
        return self._crashing

    async def stop(self, grace_s: float) -> None:
        """End it in order: SIGTERM, at most ``grace_s`` of patience, SIGKILL. Idempotent."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if self._child is not None:
            await self._child.stop(grace_s)
            self._child = None

    async def _keep_running(self) -> None:
        failures = 0
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            ended = await self._run_once()
            if clock() - started >= self._backoff.reset_after_s:
                failures = 0
            failures += 1
            delay_s = self._backoff.delay_s(failures)
            self._set_crashing(f"{self._launch.name} {ended}, starts again in {delay_s:g} s{self._last_lines()}")
            _log.info("a process ended", process=self._launch.name, how=ended, restart_in_s=delay_s)
            await asyncio.sleep(delay_s)

    async def _run_once(self) -> str:
        """Start it and wait for its end, which is returned in words."""
        launch = self._launch
        if launch.ready_file is not None:
            launch.ready_file.unlink(missing_ok=True)
        try:
            # Shielded: a start that is cancelled half-way would leave a child that nobody stops.
            start = asyncio.ensure_future(
                Child.start(launch.command, env=launch.env, cwd=launch.cwd, log=launch.log, grace_s=5.0)
            )
            try:
                self._child = await asyncio.shield(start)
            except asyncio.CancelledError:
                self._child = await start
                raise
        except OSError as error:
            return f"cannot be started ({error.strerror or type(error).__name__})"
        self.starts += 1
        watches = [asyncio.create_task(self._settle()), asyncio.create_task(self._await_ready())]
        try:
            code = await self._child.wait()
        finally:
            for watch in watches:
                watch.cancel()
        self._child = None
        self._set_ready(ready=False)
        return f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"

    async def _settle(self) -> None:
        await asyncio.sleep(self._backoff.settled_after_s)
        self._set_crashing("")

    async def _await_ready(self) -> None:
        file = self._launch.ready_file
        if file is None:
            return
        while not file.exists():  # noqa: ASYNC110  # another process makes it
            await asyncio.sleep(_READY_POLL_S)
        self._set_ready(ready=True)

    def _set_ready(self, *, ready: bool) -> None:
        if ready != self._ready:
            self._ready = ready
            self._changed()

    def _set_crashing(self, why: str) -> None:
        if why != self._crashing:
            self._crashing = why
            self._changed()

    def _last_lines(self) -> str:
        lines = [line[:_WIDTH] for line in last_lines(self._launch.log, _LAST_LINES)]
        return LAST_LINES_MARK + "\n".join(lines) if lines else ""
