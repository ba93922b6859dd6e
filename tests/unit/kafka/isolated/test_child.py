"""One process that reads: how much memory it may use, and what its end says."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import closing
from multiprocessing import Pipe
from typing import TYPE_CHECKING

import pytest
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.isolated import child
from streamwarden_kafka.isolated.child import Child, most_bytes
from streamwarden_kafka.isolated.consumer import PROCESS
from streamwarden_kafka.isolated.rows import TAKE
from streamwarden_kafka.process_limits import EXIT_OUT_OF_MEMORY, HUNG
from support.pids import gone

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024
OPENING: tuple[object, ...] = Connection.of({"bootstrap.servers": "127.0.0.1:1"}), "group", "test", {}, False
FORKS = """
import os, signal, sys
from streamwarden_kafka.isolated.child import Child
from streamwarden_kafka.isolated.consumer import PROCESS
from streamwarden_kafka.connection import Connection
reader = Child(PROCESS, (Connection.of({"bootstrap.servers": "127.0.0.1:1"}), "group", "test", {}, False))
assert reader.ask("take", (1, 1, 0)).fault is None
forked = os.fork()
if forked == 0:
    sys.stdin.read()
    os._exit(0)
print(reader._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
"""A program that forks, and is killed while the forked one lives on."""


class Ended:
    """A process that has ended."""

    def __init__(self, code: int) -> None:
        self._code = code

    def wait(self, _timeout_s: float) -> int:
        return self._code


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        pytest.param(None, 512 * MIB, id="no-limit"),
        pytest.param(8192 * MIB, 512 * MIB, id="a-large-container"),
        pytest.param(1024 * MIB, 256 * MIB, id="a-quarter"),
        pytest.param(256 * MIB, 128 * MIB, id="what-librdkafka-needs"),
    ],
)
def test_it_may_use_a_quarter_of_a_container_s_limit_within_bounds(limit: int | None, most: int) -> None:
    assert most_bytes(limit) == most


@pytest.mark.parametrize(
    ("code", "kills", "known"),
    [
        pytest.param(-signal.SIGKILL, (4, 5), EXIT_OUT_OF_MEMORY, id="ended-by-the-kernel"),
        pytest.param(-signal.SIGKILL, (4, 4), -signal.SIGKILL, id="killed-by-somebody"),
        pytest.param(-signal.SIGTERM, (4, 5), -signal.SIGTERM, id="told-to-stop-while-the-kernel-ended-another"),
        pytest.param(0, (4, 5), 0, id="ended-in-order-while-the-kernel-ended-another"),
    ],
)
def test_the_kernel_s_kill_where_memory_is_short_is_told_from_others(
    code: int, kills: tuple[int, int], known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: Iterator[int] = iter(kills)
    monkeypatch.setattr(child, "kernel_kills", lambda: next(counts))
    monkeypatch.setattr(subprocess, "Popen", lambda *_args, **_settings: Ended(code))
    assert Child("module", ()).end() == known


def begun() -> Child:
    """Start one that has answered."""
    reader = Child(PROCESS, OPENING)
    assert reader.ask(TAKE, (1, 1, 0)).fault is None
    return reader


@pytest.mark.slow
def test_a_copy_of_the_pipe_that_a_forked_process_has_keeps_no_process_from_its_end() -> None:
    reader = begun()
    copy = os.dup(reader._pipe.fileno())
    try:
        assert reader.end() == 0  # and not killed after a while
    finally:
        os.close(copy)


@pytest.mark.slow
def test_a_death_is_seen_where_a_forked_process_has_a_copy_of_the_other_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, other = Pipe()
    copy = os.dup(other.fileno())
    monkeypatch.setattr(child, "Pipe", lambda: (ours, other))
    reader = begun()
    try:
        reader._process.kill()
        with pytest.raises(EOFError):
            reader.ask(TAKE, (1, 1, 0))
    finally:
        os.close(copy)
        assert reader.end() == -signal.SIGKILL


@pytest.mark.slow
def test_it_ends_with_who_started_it_though_a_forked_process_lives_on_with_a_copy_of_its_pipe() -> None:
    with subprocess.Popen([sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        with closing(program.stdin):
            pid = int(program.stdout.readline())
            assert program.wait() == -signal.SIGKILL
            asyncio.run(gone(pid))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "code"),
    [
        pytest.param((TAKE, (1, 1, 0)), HUNG, id="for-records"),
        pytest.param(("partitions", (0,)), -signal.SIGKILL, id="for-what-a-broker-says"),
    ],
)
def test_one_that_gives_no_answer_is_ended_and_has_hung_where_it_was_to_read(
    asked: tuple[str, tuple[object, ...]], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "_LOOK_S", 0.01)
    monkeypatch.setattr(child, "_ENDING_S", 0.01)
    with monkeypatch.context() as patient:
        patient.setattr(child, "_LOOK_S", 1.0)
        reader = begun()
    os.kill(reader._process.pid, signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        reader.ask(*asked)
    assert reader.end() == code
