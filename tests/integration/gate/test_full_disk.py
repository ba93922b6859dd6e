"""A disk that is full under the broker: nothing is done by halves, and all that waited is judged once there is room."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.broken_kafka import check_commanded, loop_on, observe, start
from support.gate_world import eventually
from support.mounts import private_mounts
from support.stack_fixture import running_stack

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from support.loop_world import Loop

pytestmark = pytest.mark.own_stack
MANY = 60
"""Events at once."""
SIZE = "64m"
"""The loop needs less than one."""
PIECE = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of one's own."""
    place = tmp_path / "disk"
    place.mkdir()
    with private_mounts(f"mount -t tmpfs -o size={SIZE} tmpfs {place}") as mounts:
        yield mounts.root / place.relative_to("/")


def fill(file: Path) -> None:
    """Write a file until there is no room for a byte."""
    size = PIECE
    with file.open("wb", buffering=0) as ballast:
        while size:
            try:
                ballast.write(b"\0" * size)
            except OSError:
                size >>= 1


@contextmanager
def halted(processes: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    yield
    for process in processes:
        process.send_signal(signal.SIGCONT)


def are_decided(loop: Loop, count: int) -> bool:
    return len(loop.gate.cluster.read_all(loop.gate.names.decisions)) == count


@pytest.mark.long
def test_disk_full_under_the_broker_nothing_is_lost_or_done_twice(disk: Path, tmp_path: Path) -> None:
    ballast = disk / "ballast"
    with running_stack(disk / "stack", registry=False) as stack, loop_on(stack, tmp_path / "loop") as loop:
        ready = start(loop)
        observe(loop, range(MANY))
        check_commanded(loop, range(MANY))
        eventually(ready.exists, "the gate is ready")
        with halted(loop.gate.processes):
            observe(loop, range(MANY, 2 * MANY))
            eventually(lambda: are_decided(loop, 2 * MANY), "what the gate will not have room to judge is decided")
            with halted(loop.agent.processes):
                observe(loop, range(2 * MANY, 3 * MANY))
                fill(ballast)

        # Kafka ends by itself where its only log folder fails, and whoever keeps it running tries again and again. What
        # its own log says of it lies on the same disk, and may be cut off there.
        eventually(lambda: stack.kafka_pid is None, "Kafka ends")
        eventually(lambda: not ready.exists(), "the gate is not ready")
        states = [line["state"] for line in loop.gate.log_lines() if line["event"] == "gate state changed"]
        assert states[-1] == "Stale"

        ballast.unlink()
        check_commanded(loop, range(3 * MANY))
        eventually(ready.exists, "the gate is ready again")
