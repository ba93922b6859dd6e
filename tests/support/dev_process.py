"""``streamwarden dev`` as a person runs it: a command in a terminal's session of its own, watched from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMAND = Path(sys.executable).with_name("streamwarden")
AGENT, GATE = r"-m streamwarden\.runtime$", r"-m streamwarden_gate$"
SUPERVISOR = r"-m streamwarden_gate\.supervisor$"
BROKER = r"log4j2\.configurationFile"
"""Its class comes after a class path so long that ``ps`` cuts it off."""

PATIENCE_S = 120.0
"""Far more than anything takes on a busy machine; only a broken run waits so long."""


class DevProcess:
    """A started ``streamwarden dev``; every line it writes is kept."""

    def __init__(self, folder: Path, *options: str, command: Sequence[str] = (str(COMMAND),)) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self._said = threading.Condition()
        self._process = subprocess.Popen(
            [*command, "dev", str(folder), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "COLUMNS": "200"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        with self._said:
            return "".join(self.lines)

    def wait_for(self, pattern: str, *, after: int = 0, patience_s: float = PATIENCE_S) -> re.Match[str]:
        """Wait until a line matches; ``after`` skips so many lines, as ``len(lines)`` gave them before."""
        deadline = time.monotonic() + patience_s
        with self._said:
            while True:
                for line in self.lines[after:]:
                    if match := re.search(pattern, line):
                        return match
                if not self._reader.is_alive() or not self._said.wait(max(0.0, deadline - time.monotonic())):
                    raise AssertionError(f"no line matched {pattern!r}:\n{''.join(self.lines)}")

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        """Wait for its end; returns the exit code."""
        code = self._process.wait(patience_s)
        self._reader.join(10)
        return code

    def interrupt(self) -> int:
        """Press Ctrl-C; returns the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def descendants(self) -> dict[int, str]:
        """Return all processes below it: command line by pid."""
        listed = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True)  # noqa: S607
        rows = [line.split(None, 2) for line in listed.stdout.splitlines()[1:]]
        below, found = {self._process.pid}, dict[int, str]()
        while new := [row for row in rows if int(row[1]) in below and int(row[0]) not in found]:
            found.update({int(pid): args for pid, _, args in new})
            below = set(found)
        return found

    def has_one(self, what: str) -> bool:
        """Tell whether one process runs whose command line matches."""
        return len(self._named(what)) == 1

    def pids(self, what: str) -> set[int]:
        """Return the processes whose command line matches (not what keeps them running)."""
        return set(self._named(what))

    def kill(self, what: str) -> int:
        """Kill -9 the process whose command line matches (not what keeps it running); returns its pid."""
        (pid,) = self._named(what)
        os.kill(pid, signal.SIGKILL)
        return pid

    def _named(self, what: str) -> list[int]:
        return [pid for pid, args in self.descendants().items() if re.search(what, args) and "tether.py" not in args]

    def close(self) -> None:
        """End it whatever happened: its children are tethered to it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._said:
                self.lines.append(line)
                self._said.notify_all()
        with self._said:
            self._said.notify_all()


def is_alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607
    return bool(listed.stdout.strip()) and not listed.stdout.strip().startswith("Z")
