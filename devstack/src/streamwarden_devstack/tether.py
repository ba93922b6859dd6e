"""The supervisor between a parent and one child process: run as a script, standard library only.

It starts its arguments as a child in a session of its own and tells the child's pid on stdout.
Its stdin is the tether: at end of file, which is also what a parent killed with SIGKILL leaves behind,
the child's process group gets SIGTERM and, after a grace, SIGKILL. A number read before the end of
file is the grace in seconds, else the first argument is. It ends as the child ended: same exit code,
same signal.
"""

import contextlib
import errno
import os
import selectors
import signal
import subprocess
import sys
import time

EXEC_FAILED = 127


def main(grace_s: float, command: list[str]) -> None:
    """Run the command until it ends or the tether is cut."""
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    asked: list[int] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda got, _: asked.append(got))
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, stderr=2, start_new_session=True)
    except OSError as error:
        _tell(f"error {error.errno or errno.EIO}")
        sys.exit(EXEC_FAILED)
    _tell(f"pid {child.pid}")
    received = b""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        deadline: float | None = None
        while child.poll() is None:
            timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = [key.fd for key, _ in selector.select(timeout)]
            if wake in ready:
                os.read(wake, 512)
            cut = bool(asked)
            if 0 in ready:
                data = os.read(0, 64)
                received += data
                if not data:
                    selector.unregister(0)
                    cut = True
            if cut and deadline is None:
                deadline = time.monotonic() + _grace(received, grace_s)
                _signal_group(child.pid, signal.SIGTERM)
            elif deadline is not None and time.monotonic() >= deadline:
                _signal_group(child.pid, signal.SIGKILL)
                child.wait()
    # What the child itself left running in its group ends with it.
    _signal_group(child.pid, signal.SIGKILL)
    _end_like(child.returncode)


def _tell(line: str) -> None:
    # When the parent is gone already, the tether is cut too, and the loop will see it.
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{line}\n".encode())


def _grace(received: bytes, default_s: float) -> float:
    try:
        return float(received)
    except ValueError:
        return default_s


def _signal_group(group: int, number: int) -> None:
    # Nobody left in it; macOS answers EPERM when only zombies are.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _end_like(returncode: int) -> None:
    if returncode >= 0:
        sys.exit(returncode)
    if -returncode != signal.SIGKILL:
        signal.signal(-returncode, signal.SIG_DFL)
    os.kill(os.getpid(), -returncode)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
