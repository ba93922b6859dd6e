"""Tests that take no time run in processes that share their files."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest
from support import shares
from support.shares import deal

A, B, C, D = (Path(f"test_{name}.py") for name in "abcd")


@pytest.mark.parametrize(
    ("sizes", "processes", "expected"),
    [
        pytest.param({A: 1, B: 9, C: 5, D: 5}, 2, [[B, D], [C, A]], id="the-largest-first-and-then-by-name"),
        pytest.param({A: 1, B: 2}, 1, [[B, A]], id="one-process-gets-all"),
        pytest.param({A: 1, B: 2}, 3, [[B], [A]], id="no-process-is-without-a-file"),
    ],
)
def test_files_are_dealt_out(sizes: dict[Path, int], processes: int, expected: list[list[Path]]) -> None:
    assert deal(sizes, processes) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("second", "code", "last"),
    [
        pytest.param("def test_b(): pass", 0, "passed in ", id="all-pass"),
        pytest.param("def test_b(): assert 1 == 2", 1, "failed in process 2 of 2 in ", id="one-fails"),
        pytest.param("import os; os._exit(0 - 9)", 1, "failed in process 2 of 2 in ", id="a-process-ends-at-once"),
        pytest.param("import os; os.kill(os.getpid(), 9)", 1, "failed in process 2 of 2 in ", id="one-is-killed"),
    ],
)
def test_the_last_line_and_the_exit_code_say_how_all_of_them_went(
    tmp_path: Path, second: str, code: int, last: str
) -> None:
    (tmp_path / "test_a.py").write_text("def test_a(): pass  # the larger file" + " " * len(second))
    (tmp_path / "test_b.py").write_text(second)
    command = [sys.executable, shares.__file__, "2", str(tmp_path), "-q", "-p", "no:cacheprovider"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == code
    assert ended.stdout.startswith(".")
    assert ("assert 1 == 2" in ended.stdout) == ("1 == 2" in second)
    assert ended.stdout.splitlines()[-1].startswith(f"{tmp_path}: {last}")


def test_what_was_collected_is_not_gone_over_by_the_garbage_collector() -> None:
    assert gc.get_freeze_count() > 0
    assert gc.isenabled()
