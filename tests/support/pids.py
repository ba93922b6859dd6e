"""Look at processes of which only the pid is known."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

PATIENCE_S = 60


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected by a slow init does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        # The state follows the name, which is in parentheses and may hold any character.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        # No such folder on macOS, whose init is quick.
        return not Path("/proc/self").exists()


async def gone(pid: int) -> None:
    """Wait until a process has ended."""
    async with asyncio.timeout(PATIENCE_S):
        while is_running(pid):  # noqa: ASYNC110  # the kernel gives no signal to strangers
            await asyncio.sleep(0.01)
