"""What stands in an agent's place where ``dev`` starts no process: a person's own, or the reason why there is none."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_POLL_S = 0.2


class AgentProcess(Protocol):
    """A process of a pod, whoever runs it."""

    @property
    def pid(self) -> int | None:
        """Its pid; None where none of ours runs."""

    @property
    def ready(self) -> bool:
        """Whether it has made its ready file."""

    @property
    def crashing(self) -> str:
        """Why it does not run; else empty."""

    async def stop(self, grace_s: float) -> None:
        """End it, or let go of it. Idempotent."""


class NotStarted:
    """An agent that cannot start as its manifest says."""

    pid = None
    ready = False

    def __init__(self, why: str) -> None:
        self.crashing = why

    async def stop(self, grace_s: float) -> None:
        """Do nothing."""


class RunByPerson:
    """An agent that a person runs: it is ready while its ready file is there."""

    pid = None
    crashing = ""

    def __init__(self, ready_file: Path, changed: Callable[[], None]) -> None:
        self._file = ready_file
        self._changed = changed
        self.ready = False
        # That of an earlier one. At once, not in the task: by the time that it runs a new one may be there.
        ready_file.unlink(missing_ok=True)
        self._task = asyncio.create_task(self._look())

    async def stop(self, grace_s: float) -> None:
        """Look no longer; the process is the person's to end."""
        del grace_s
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _look(self) -> None:
        while True:
            if (there := self._file.exists()) != self.ready:
                self.ready = there
                self._changed()
            await asyncio.sleep(_POLL_S)
