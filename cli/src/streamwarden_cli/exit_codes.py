"""The one table of exit codes: ``--help`` and ``docs/reference/exit-codes.md`` show it, every command ends by it."""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import NoReturn

_SIGNAL_BASE = 128
"""A shell's exit code of a program that a signal ended: this plus the signal."""


class ExitCode(IntEnum):
    """How a command ends."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    HANGUP = 129
    INTERRUPTED = 130
    TERMINATED = 143

    @classmethod
    def of_signal(cls, number: int) -> ExitCode:
        """Return the exit code of what SIGHUP, SIGINT or SIGTERM has ended."""
        return cls(_SIGNAL_BASE + number)


MEANINGS = {
    ExitCode.DONE: "done, and what was asked about is well",
    ExitCode.FAILED: "failed, or what was asked about is not well",
    ExitCode.USAGE: "not possible as asked: a wrong option or setting, or an extra that is not installed",
    ExitCode.HANGUP: "ended by SIGHUP: its terminal was closed",
    ExitCode.INTERRUPTED: "ended by Ctrl-C (SIGINT)",
    ExitCode.TERMINATED: "ended by SIGTERM",
}
"""When a command ends so, for people."""


def end_interrupted() -> NoReturn:
    """End as one whom Ctrl-C has interrupted: a line, no traceback."""
    sys.stderr.write("interrupted\n")
    raise SystemExit(ExitCode.INTERRUPTED)
