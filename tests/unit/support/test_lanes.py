"""What a test uses says which lane it is in."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.lanes import BUDGET, LANES, LaneTime, lane_of, table

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize(
    ("fixtures", "markers", "expected"),
    [
        pytest.param([], [], "pure", id="nothing"),
        pytest.param(["tmp_path", "unique"], ["parametrize"], "pure", id="a-folder-and-a-name"),
        pytest.param(["stack"], [], "broker", id="the-run-s-Kafka"),
        pytest.param(["api_server", "stack"], [], "api_server", id="an-API-server-and-the-run-s-Kafka"),
        pytest.param(["breakable_stack", "stack"], [], "kills", id="a-Kafka-to-kill-beside-the-run-s"),
        pytest.param(["tmp_path"], ["own_stack"], "own_stack", id="a-marker-where-no-fixture-tells"),
        pytest.param(["governed", "stack"], ["broker"], "node", id="the-dearest-of-several"),
    ],
)
def test_a_test_is_in_the_first_lane_that_it_fits(
    fixtures: Sequence[str], markers: Sequence[str], expected: str
) -> None:
    assert lane_of(frozenset(fixtures), frozenset(markers)).name == expected


def test_this_test_has_the_marker_of_its_lane(request: pytest.FixtureRequest) -> None:
    assert [mark.name for mark in request.node.iter_markers()] == ["pure", "xdist_group"]
    assert request.node.get_closest_marker("xdist_group").args == ("pure/test_lanes",)


def test_a_lane_over_its_budget_says_so() -> None:
    times = {"pure": LaneTime(2_000, 31.4, 0.0, 20.0), "broker": LaneTime(80, 100.0, 5.0, 65.0)}
    assert table(times, {"pure": 30, "broker": 100}) == [
        ("lane          tests     work   budget   from first to last", False),
        ("pure           2000     31 s     30 s                 20 s  over its budget", True),
        ("broker           80    100 s    100 s                 60 s", False),
    ]


def test_each_lane_has_a_budget() -> None:
    assert set(tomllib.loads(BUDGET.read_text())["seconds"]) == {lane.name for lane in LANES}


@pytest.mark.slow
def test_a_test_that_ends_its_worker_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["support.lanes"]\n')
    (tmp_path / "test_some.py").write_text(
        "import os\n\n\ndef test_ends():\n    os._exit(3)\n\n\ndef test_goes_on():\n    pass\n"
    )
    arguments = ["-n", "1", "--dist", "loadgroup", "--no-loadscope-reorder", "-p", "no:cacheprovider", "-c", os.devnull]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "crashed while running 'test_some.py::test_ends'" in run.stdout
    assert "1 failed, 1 passed" in run.stdout
    assert "pure              1" in run.stdout
