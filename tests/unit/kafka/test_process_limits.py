"""What a process of ours may use, and what its end says."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from streamwarden_kafka.process_limits import (
    EXIT_OUT_OF_MEMORY,
    HUNG,
    cause_of,
    container_limit,
    died_by_itself,
    kernel_kills,
)

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("code", "by_itself", "cause"),
    [
        pytest.param(-signal.SIGABRT, True, "SIGABRT", id="an-assertion-of-a-library"),
        pytest.param(-signal.SIGSEGV, True, "SIGSEGV", id="a-segmentation-fault"),
        pytest.param(EXIT_OUT_OF_MEMORY, True, "out of memory", id="no-memory"),
        pytest.param(HUNG, True, "no answer", id="no-answer"),
        pytest.param(-signal.SIGKILL, False, "SIGKILL", id="killed-by-somebody"),
        pytest.param(-signal.SIGTERM, False, "SIGTERM", id="told-to-stop"),
        pytest.param(1, False, "exit code 1", id="a-code-of-its-own"),
    ],
)
def test_what_a_process_died_of(code: int, by_itself: bool, cause: str) -> None:  # noqa: FBT001  # a column of the table
    assert (died_by_itself(code), cause_of(code)) == (by_itself, cause)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        pytest.param({}, None, id="no-cgroups"),
        pytest.param({"memory.max": "max"}, None, id="v2-without-a-limit"),
        pytest.param({"memory.max": "1000", "memory.current": "700"}, 1000, id="v2"),
        pytest.param({"memory/memory.limit_in_bytes": "1000"}, 1000, id="v1"),
        pytest.param({"memory/memory.limit_in_bytes": "9223372036854771712"}, None, id="v1-without-a-limit"),
    ],
)
def test_how_much_memory_a_container_may_use(files: dict[str, str], limit: int | None, tmp_path: Path) -> None:
    write(tmp_path, files)
    assert container_limit(tmp_path) == limit


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        pytest.param({}, 0, id="no-cgroups"),
        pytest.param({"memory.events": "low 0\noom 7\noom_kill 2\noom_group_kill 0"}, 2, id="v2"),
        pytest.param({"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3"}, 3, id="v1"),
        pytest.param({"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0"}, 0, id="v1-of-an-old-kernel"),
    ],
)
def test_how_many_processes_the_kernel_has_ended(files: dict[str, str], kills: int, tmp_path: Path) -> None:
    write(tmp_path, files)
    assert kernel_kills(tmp_path) == kills


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of data are Linux's")
def test_a_module_is_run_below_its_limit_with_small_stacks(tmp_path: Path) -> None:
    (tmp_path / "limited.py").write_text(
        "import resource, sys\n"
        "print([resource.getrlimit(each)[0] for each in (resource.RLIMIT_DATA, resource.RLIMIT_STACK)], sys.argv[1:])\n"
        "print(open('/proc/self/oom_score_adj').read().strip())\n"
        "try: bytearray(90 * 2**20)\nexcept MemoryError: sys.exit(3)\n"
    )
    command = [sys.executable, "-m", "streamwarden_kafka.process_limits", str(80 * MIB), "limited", "told"]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, f"[{80 * MIB}, {MIB}] ['told']\n1000\n", "")
