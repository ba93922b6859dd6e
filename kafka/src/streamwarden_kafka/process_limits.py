"""What ends a process of ours, and how much memory it may use. Nothing here needs a library.

``python -m streamwarden_kafka.process_limits BYTES MODULE [ARGUMENT ...]`` runs a module below a limit.
"""

import os
import resource
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

EXIT_OUT_OF_MEMORY = 3
"""How a process ends that Python has refused memory."""

HUNG = 256
"""Stands for the exit code, which none is, of a process that was ended since it gave no answer."""

STACK_BYTES = 1024 * 1024
"""Of each thread: with the usual 8 MiB a client's threads would take much of what they may use."""

_LOOK_S = 1.0
"""How often a process looks for the one that started it."""
_BY_ITSELF = frozenset(
    {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGPROF, signal.SIGTRAP}
)
_CGROUPS = Path("/sys/fs/cgroup")
_OOM_SCORE = Path("/proc/self/oom_score_adj")
_LIMIT_FILES = ("memory.max", "memory/memory.limit_in_bytes")
"""Of cgroup v2 and v1."""
_KILL_FILES = ("memory.events", "memory/memory.oom_control")
"""Likewise."""
_NO_LIMIT = 1 << 60
"""cgroup v1 writes a number about that large."""


def died_by_itself(code: int) -> bool:
    """Tell whether a process died of what it did, or hung. Not so: SIGKILL, SIGTERM and the like, from outside.

    Args:
        code: its exit code; the negative number of a signal.
    """
    return code in {EXIT_OUT_OF_MEMORY, HUNG} or -code in _BY_ITSELF


def cause_of(code: int) -> str:
    """Say in a few words what a process died of."""
    if code == EXIT_OUT_OF_MEMORY:
        return "out of memory"
    if code == HUNG:
        return "no answer"
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def end_with(parent: int) -> None:
    """End this process, whatever it does, once the one that started it is gone.

    A pipe between the two would say so sooner, but not where another process has a copy of its end.
    """
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


def limit_memory(data_bytes: int) -> None:
    """Bound what this process, and what it starts, may use from now on; stacks are small after an exec."""
    for what, limit in ((resource.RLIMIT_DATA, data_bytes), (resource.RLIMIT_STACK, STACK_BYTES)):
        most = resource.getrlimit(what)[1]
        resource.setrlimit(what, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def container_limit(cgroups: Path = _CGROUPS) -> int | None:
    """Return how many bytes this container may use; None where it has no limit, or none that can be read."""
    limit = _read_first(cgroups, _LIMIT_FILES).strip()
    return int(limit) if limit.isdecimal() and int(limit) < _NO_LIMIT else None


def kernel_kills(cgroups: Path = _CGROUPS) -> int:
    """Return how many processes the kernel has ended since memory was short in this container; 0: it does not say."""
    facts = dict(line.split(maxsplit=1) for line in _read_first(cgroups, _KILL_FILES).splitlines())
    return int(facts.get("oom_kill", 0))


def _read_first(folder: Path, names: Iterable[str]) -> str:
    for name in names:
        with suppress(OSError):
            return (folder / name).read_text("ascii")
    return ""


def be_ended_first(score: Path = _OOM_SCORE) -> None:
    """Let the kernel end this process before any other where memory is short."""
    with suppress(OSError):  # it is so on Linux only
        score.write_text("1000", "ascii")


def main() -> None:
    """Go on as a module that has the limit, and whose end costs less than that of who started it."""
    be_ended_first()
    limit_memory(int(sys.argv[1]))
    # Once more from the beginning: stacks are as large as the limit was when a process began.
    os.execv(sys.executable, [sys.executable, "-P", "-m", *sys.argv[2:]])  # noqa: S606  # ourselves, and no shell


if __name__ == "__main__":
    main()
