"""What belongs together is in one worker, whatever its file."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
CONFTEST = """
import pytest
pytest_plugins = ["support.lanes"]

@pytest.fixture
def sole_operator():
    pass

@pytest.fixture
def stack():
    pass
"""
TEST = """
import os, pathlib, pytest

@pytest.mark.parametrize("number", range(4))
def test_as_operator(sole_operator, number):
    pathlib.Path("operator").open("a").write(os.environ["PYTEST_XDIST_WORKER"] + " ")

@pytest.mark.parametrize("number", range(4))
def test_beside_others(stack, number):
    pathlib.Path(pathlib.Path(__file__).stem).open("a").write(os.environ["PYTEST_XDIST_WORKER"] + " ")
"""


def test_a_group_is_in_one_worker(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name in ("test_one.py", "test_two.py"):
        (tmp_path / name).write_text(TEST)

    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "xdist",
        "-n",
        "2",
        "--dist",
        "loadgroup",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, "-c", "/dev/null", f"--rootdir={tmp_path}", "--import-mode=importlib", "-o", f"pythonpath={TESTS}"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # the other plugins take longer to load than this
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    workers = {name: (tmp_path / name).read_text().split() for name in ("operator", "test_one", "test_two")}
    assert {name: len(ran) for name, ran in workers.items()} == {"operator": 8, "test_one": 4, "test_two": 4}
    assert {name: len(set(ran)) for name, ran in workers.items()} == dict.fromkeys(workers, 1)
