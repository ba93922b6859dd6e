"""A gate's process, as its container starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

ALONE, SUPERVISED = "streamwarden_gate", "streamwarden_gate.supervisor"
"""What a gate's process runs; the second as in a pod."""

_STOP_TIMEOUT_S, _KILL_TIMEOUT_S = 15.0, 10.0


def start_gate(
    config: Path,
    credentials: Path,
    pod: str,
    log: Path,
    *,
    module: str = ALONE,
    launcher: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a gate over the folders that its pod mounts; its log lines are appended to a file."""
    own = {
        "STREAMWARDEN_CONFIG": str(config),
        "STREAMWARDEN_CREDENTIALS": str(credentials),
        "STREAMWARDEN_POD": pod,
    }
    with log.open("ab") as written:
        return subprocess.Popen(
            [*launcher, sys.executable, "-m", module],
            env={**os.environ, **own, **(environment or {})},
            stderr=written,
        )


def end_gates(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """End gates, in order where they still can."""
    found = list(processes)
    for process in found:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in found:
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_KILL_TIMEOUT_S)


def show_ends(logs: Iterable[Path]) -> None:
    """Print the ends of logs, which pytest shows where a test has failed."""
    for log in sorted(logs):
        ends = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        sys.stdout.write(f"{log.name} ends:\n{ends}\n")
