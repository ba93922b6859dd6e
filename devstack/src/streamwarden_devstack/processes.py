"""Child processes that cannot outlive their owner, not even one that is killed with SIGKILL.

Each child runs below a small supervisor (:mod:`streamwarden_devstack.tether`) which holds a pipe from us: when
the pipe closes, for whatever reason, it ends the child and everything in the child's process group. Children
live in sessions of their own, so that Ctrl-C in a terminal reaches us alone and we stop them in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TETHER = Path(__file__).with_name("tether.py")
_MARGIN_S = 5.0
"""What a supervisor may take beyond the grace before it is killed itself."""


class Child:
    """A running child: made with :meth:`start`, ended with :meth:`stop` or with this process."""

    def __init__(self, supervisor: asyncio.subprocess.Process, child_pid: int) -> None:
        self._supervisor = supervisor
        self._child_pid = child_pid

    @classmethod
    async def start(
        cls,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log: Path | None = None,
        grace_s: float = 10.0,
    ) -> Child:
        """Start a command with exactly this environment; its output is appended to ``log`` (created 0600).

        ``grace_s`` is what the child gets between SIGTERM and SIGKILL when the owner dies.

        Raises:
            OSError: The command cannot be executed (not found, not executable).
        """
        # -I and -S: no site packages, no user settings: the supervisor starts in about 20 ms.
        supervised = [sys.executable, "-I", "-S", str(_TETHER), str(grace_s), *map(str, command)]
        output = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            supervisor = await asyncio.create_subprocess_exec(
                *supervised,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        finally:
            os.close(output)
        assert supervisor.stdout is not None  # noqa: S101  # asked for above
        assert supervisor.stdin is not None  # noqa: S101  # likewise
        try:
            kind, _, number = (await supervisor.stdout.readline()).decode().partition(" ")
        except BaseException:
            # Cancelled: cut the tether, as nobody will ever hold this child.
            supervisor.stdin.close()
            raise
        if kind == "pid":
            return cls(supervisor, int(number))
        await supervisor.wait()
        code = int(number) if kind == "error" else 0
        raise OSError(code, os.strerror(code) if code else "the supervisor did not start", str(command[0]))

    @property
    def pid(self) -> int:
        """The supervisor's pid."""
        return self._supervisor.pid

    @property
    def child_pid(self) -> int:
        """The pid of the command itself (no longer its own once :attr:`returncode` is set)."""
        return self._child_pid

    @property
    def returncode(self) -> int | None:
        """``None`` while it runs; then its exit code, or minus the signal that ended it."""
        return self._supervisor.returncode

    async def wait(self) -> int:
        """Wait until the child has ended."""
        code = await self._supervisor.wait()
        if code == -signal.SIGKILL:
            # Perhaps it was the supervisor that was killed: then nobody else ends the group.
            self._kill_group()
        return code

    async def stop(self, grace_s: float | None = None) -> int:
        """End the child: SIGTERM, at most ``grace_s`` of patience (start's by default), SIGKILL. Idempotent."""
        stdin = self._supervisor.stdin
        assert stdin is not None  # noqa: S101  # a pipe, see start
        if self.returncode is None and not stdin.is_closing():
            if grace_s is not None:
                stdin.write(f"{grace_s}".encode())
            stdin.close()
        try:
            async with asyncio.timeout(None if grace_s is None else grace_s + _MARGIN_S):
                return await self.wait()
        except TimeoutError:
            self._kill_group()
            with contextlib.suppress(ProcessLookupError):
                self._supervisor.kill()
            return await self.wait()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child_pid, signal.SIGKILL)
