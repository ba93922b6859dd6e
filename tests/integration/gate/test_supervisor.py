"""The first process of a gate's container: what it does with deaths of the second, each of a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.runtime_config import ENV_GATE_MEMORY_LIMIT
from streamwarden_gate.note import ENV_SUPERVISOR, Doing, Note, make_file
from streamwarden_gate.supervisor import ENV_MEMORY_LIMIT
from streamwarden_kafka.deaths import MOST_SKIPPED, SKIPPED_WITHIN_S

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_S = 60
MIB = 1024 * 1024

START = "import sys; from streamwarden_gate.supervisor import main; sys.exit(main(('-c', sys.argv[1])))"
GATE = """
import json, os, resource, signal, sys, threading, time
from pathlib import Path
from streamwarden_gate import supervised
from streamwarden_gate.note import Doing
supervised.CPU_LIMIT_S = 0.5
note, before_batch = supervised.attach()
runs = Path("runs")
begun = runs.read_text().splitlines() if runs.exists() else []
with runs.open("a") as file:
    file.write(json.dumps({"careful": note.careful, "hand": list(note.hand), "pid": os.getpid()}) + "\\n")
first = not begun
"""


class Supervised:
    """A supervisor over gates that are a few lines of Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None

    def start(self, gate: str, **environment: str) -> subprocess.Popen[str]:
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, GATE + gate],
            cwd=self.folder,
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.process

    def run(self, gate: str, **environment: str) -> int:
        """Run to the end, and return the exit code."""
        process = self.start(gate, **environment)
        _, self.log = process.communicate(timeout=WAIT_S)
        return process.returncode

    @property
    def runs(self) -> list[dict[str, Any]]:
        """What each gate found in its note, in their order."""
        file = self.folder / "runs"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def wait_for_runs(self, count: int) -> None:
        deadline = time.monotonic() + WAIT_S
        while len(self.runs) < count:
            assert time.monotonic() < deadline, f"{len(self.runs)} of {count} gates began"
            time.sleep(0.02)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    made = Supervised(tmp_path)
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.communicate()


@pytest.mark.parametrize("code", [0, 1, 2], ids=["in-order", "cannot-go-on", "bad-configuration"])
def test_a_code_of_the_gate_s_own_is_passed_on(supervised: Supervised, code: int) -> None:
    assert supervised.run(f"sys.exit({code})") == code
    assert len(supervised.runs) == 1


@pytest.mark.parametrize(
    ("death", "cause"),
    [
        pytest.param("os.abort()", "SIGABRT", id="X07-an-assertion-of-a-library"),
        pytest.param("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV", id="F56-a-segmentation-fault"),
        pytest.param("os._exit(3)", "out of memory", id="F55-no-memory"),
    ],
)
def test_after_a_death_by_itself_the_next_gate_is_careful(supervised: Supervised, death: str, cause: str) -> None:
    gate = f"note.take(Doing.JUDGING, 1, 7)\nif first: {death}\nsys.exit(0)"
    assert supervised.run(gate) == 0
    before, after = supervised.runs
    assert (before["careful"], after["careful"]) == (False, True)
    assert after["hand"][0] == Doing.NOTHING, "of many that were read at once, nobody knows which it was"
    assert json.loads(supervised.log.splitlines()[-1])["cause"] == cause


def test_what_a_careful_gate_had_in_hand_is_kept_for_the_next(supervised: Supervised) -> None:
    gate = "note.careful = True\nnote.take(Doing.READING, 2, 40)\nif first: os.abort()\nsys.exit(0)"
    assert supervised.run(gate) == 0
    assert supervised.runs[1]["hand"] == [Doing.READING, 2, 40]


def test_f54_who_holds_the_interpreter_is_ended_and_its_record_known(supervised: Supervised) -> None:
    gate = "before_batch()\nnote.take(Doing.JUDGING, 0, 5)\nif first: sum(range(10**11))\nsys.exit(0)"
    assert supervised.run(gate) == 0
    assert supervised.runs[1]["hand"] == [Doing.JUDGING, 0, 5]
    assert json.loads(supervised.log.splitlines()[-1])["cause"] == "SIGPROF"


def test_who_waits_is_not_ended(supervised: Supervised) -> None:
    assert supervised.run("before_batch()\ntime.sleep(1)\nsys.exit(0)") == 0
    assert len(supervised.runs) == 1


def test_a_death_from_outside_counts_nothing(supervised: Supervised) -> None:
    gate = "note.careful = True\nnote.take(Doing.JUDGING, 0, 5)\nif first: threading.Event().wait()\nsys.exit(0)"
    process = supervised.start(gate)
    supervised.wait_for_runs(1)
    os.kill(supervised.runs[0]["pid"], signal.SIGKILL)
    assert process.wait(WAIT_S) == 0
    assert supervised.runs[1]["hand"][0] == Doing.NOTHING


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_signals_reach_the_gate_and_end_both(supervised: Supervised, number: signal.Signals) -> None:
    handler = f"signal.signal({number.value}, lambda *_: (Path('told').touch(), sys.exit(0)))\n"
    process = supervised.start(handler + "Path('ready').touch()\nwhile True: time.sleep(0.1)")
    deadline = time.monotonic() + WAIT_S
    while not (supervised.folder / "ready").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(WAIT_S) == 0
    assert (supervised.folder / "told").exists()


def test_a_gate_that_dies_at_once_again_and_again_is_left_to_kubernetes(supervised: Supervised) -> None:
    assert supervised.run("os.abort()") == 1
    assert len(supervised.runs) == 5


def test_a_gate_ends_with_its_supervisor(supervised: Supervised) -> None:
    process = supervised.start("threading.Event().wait()")
    supervised.wait_for_runs(1)
    process.kill()
    deadline = time.monotonic() + WAIT_S
    while _is_running(supervised.runs[0]["pid"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="limits of data are Linux's")
def test_x07_a_gate_stays_below_the_limit_of_its_container(supervised: Supervised) -> None:
    gate = (
        "print(json.dumps([resource.getrlimit(which)[0] for which in (resource.RLIMIT_DATA, resource.RLIMIT_STACK)]),"
        " file=sys.stderr)\n"
        "try: bytearray(420 * 2**20)\nexcept MemoryError: sys.exit(0)\nsys.exit(1)"
    )
    assert supervised.run(gate, **{ENV_MEMORY_LIMIT: str(512 * MIB)}) == 0
    data, stack = json.loads(supervised.log.splitlines()[0])
    assert (data // MIB, stack // MIB) == (399, 8), "the main thread has the usual stack again"


def test_who_sets_the_limit_and_who_reads_it_name_it_alike() -> None:
    assert ENV_MEMORY_LIMIT == ENV_GATE_MEMORY_LIMIT


def test_a_note_is_shared_through_its_file() -> None:
    file = make_file()
    one, other = Note(file), Note(file)
    one.careful = True
    one.take(Doing.READING, 3, 10**12)
    assert other.careful
    assert other.hand == (Doing.READING, 3, 10**12)
    os.close(file)


def test_so_many_ranges_are_skipped_in_an_hour_and_no_more() -> None:
    note = Note()
    for number in range(MOST_SKIPPED):
        assert note.may_skip(1e9 + number)
        note.skipped(1e9 + number)
    assert not note.may_skip(1e9 + SKIPPED_WITHIN_S - 1)
    assert note.may_skip(1e9 + SKIPPED_WITHIN_S)


def test_without_a_supervisor_nothing_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamwarden_gate import supervised

    monkeypatch.delenv(ENV_SUPERVISOR, raising=False)
    note, before_batch = supervised.attach(os.environ)
    before_batch()
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    assert not note.careful
