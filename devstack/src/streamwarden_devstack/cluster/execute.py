"""Run programs to their end, and wait for things with a deadline."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import subprocess
import time
from typing import TYPE_CHECKING

from streamwarden_devstack.cluster.errors import CommandFailedError, NotReadyError
from streamwarden_devstack.logs import end_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_PAUSE_S = 0.1
_LAST_LINES = 20
_SHOWN = 160
"""Of a command in an error; the rest of a long one says little."""


def run(
    command: Sequence[str | Path],
    *,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float = 600.0,
) -> str:
    """Run a command to its end and give what it wrote to stdout.

    Raises:
        CommandFailedError: It cannot be started, ended with another code than 0, or took longer.
    """
    try:
        done = subprocess.run(
            list(map(str, command)),
            input=stdin,
            env=None if env is None else dict(env),
            cwd=cwd,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except OSError as error:
        raise CommandFailedError(f"cannot run {command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailedError(f"{shown(command)} took more than {timeout_s:.0f} s") from error
    if done.returncode != 0:
        said = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-_LAST_LINES:])
        raise CommandFailedError(f"{shown(command)} ended with code {done.returncode}:\n{said or '(it said nothing)'}")
    return done.stdout


def run_logged(
    command: Sequence[str | Path], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> None:
    """Run a long command with its output in a log file, which is emptied first.

    Raises:
        CommandFailedError: It cannot be started, or ended with another code than 0.
    """
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                list(map(str, command)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=None if env is None else dict(env),
                cwd=cwd,
                check=False,
            )
        except OSError as error:
            raise CommandFailedError(f"cannot run {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise CommandFailedError(
            f"{shown(command)} ended with code {done.returncode}. Its log, {log}, ends:\n{end_of(log)}"
        )


def succeeds(command: Sequence[str | Path], *, timeout_s: float = 20.0) -> bool:
    """Whether a command can be started and ends with code 0."""
    try:
        run(command, timeout_s=timeout_s)
    except CommandFailedError:
        return False
    return True


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float) -> None:
    """Return once a condition holds. A command that fails in it means: not yet.

    Raises:
        NotReadyError: It did not, in its time; the message has the last failure.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        why = ""
        try:
            if holds():
                return
        except CommandFailedError as error:
            why = f"; {error}"
        if time.monotonic() > deadline:
            raise NotReadyError(f"{what}: not in {timeout_s:.0f} s{why}")
        time.sleep(_PAUSE_S)


@contextlib.contextmanager
def one_at_a_time(lock: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock file against other processes; the kernel lets go of it when we die.

    Args:
        lock: the file.
        wait: until nobody else holds it; else what is given says whether it is ours.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    number = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(number)


def shown(command: Sequence[str | Path]) -> str:
    """Give a command as a person would type it, shortened."""
    text = shlex.join(map(str, command))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]} ..."
