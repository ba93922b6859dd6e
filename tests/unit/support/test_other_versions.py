"""A command runs the operator's tests on every other version, and says in one table how that went."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support import other_versions
from support.other_versions import Ended, Part, main, parts, run, run_all, table

if TYPE_CHECKING:
    from pathlib import Path

OF_EACH_KIND = """
import os, pytest
@pytest.fixture
def breaks_at_its_end():
    yield
    raise OSError("busy")
def test_passes(): assert os.environ["TESTED_THING"] == "1.2"
def test_fails(): assert 1 == 2
def test_fails_twice(breaks_at_its_end): assert 1 == 2
def test_passes_and_breaks(breaks_at_its_end): pass
@pytest.mark.skip(reason="no node")
def test_skipped(): pass
"""
PASSES = "def test_passes(): pass\ndef test_passes_too(): pass\n"
OPTIONS = ("-q", "-p", "no:cacheprovider")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(other_versions, "BUILD", tmp_path / "build")
    monkeypatch.setattr(other_versions, "ROOT", tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # half of what it takes to start
    return tmp_path


def part_of(folder: Path, code: str, build: tuple[str, ...] = ()) -> Part:
    (folder / "test_it.py").write_text(code)
    return Part("Thing", "1.2", str(folder), "TESTED_THING", build)


def test_the_table_has_a_line_for_each_version() -> None:
    rows = [
        Ended("Kafka 3.9", 188, 0, 3, 183.4),
        Ended("Kafka 4.4", 187, 1, 3, 1195.5, "pytest ended with 1"),
        Ended("Kubernetes 1.35", trouble="could not be built"),
    ]
    assert table(rows) == [
        "version            passed  failed  skipped  seconds",
        "Kafka 3.9             188       0        3      183",
        "Kafka 4.4             187       1        3     1196  pytest ended with 1",
        "Kubernetes 1.35         0       0        0        0  could not be built",
    ]


@pytest.mark.slow
def test_what_is_counted_is_what_pytest_reports_of_this_run(folder: Path) -> None:
    part = part_of(folder, OF_EACH_KIND)
    assert run(part, OPTIONS) == Ended("Thing 1.2", 1, 3, 1, trouble="pytest ended with 1")
    part = part_of(folder, "import os; os._exit(9)")
    assert run(part, OPTIONS) == Ended("Thing 1.2", trouble="pytest ended with 9")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("required", "expected"),
    [
        pytest.param("1", Ended("Thing 1.2", trouble="could not be built"), id="fails-where-a-cluster-is-required"),
        pytest.param("", Ended("Thing 1.2", 2), id="leaves-it-to-the-tests-to-be-skipped-elsewhere"),
    ],
)
def test_what_cannot_be_built(folder: Path, monkeypatch: pytest.MonkeyPatch, required: str, expected: Ended) -> None:
    monkeypatch.setenv(other_versions.REQUIRED, required)
    part = part_of(folder, PASSES, (sys.executable, "-c", "raise SystemExit(3)"))
    assert run(part, OPTIONS) == expected


@pytest.mark.parametrize(
    ("troubles", "code"),
    [
        pytest.param(("", "", "", ""), 0, id="all-succeed"),
        pytest.param(("pytest ended with 1", "", "", ""), 1, id="the-first-fails"),
        pytest.param(("", "", "", "could not be built"), 1, id="the-last-fails"),
    ],
)
def test_a_version_that_fails_keeps_no_other_from_being_run(
    capsys: pytest.CaptureFixture[str], troubles: tuple[str, ...], code: int
) -> None:
    said = dict(zip(parts(), troubles, strict=True))
    assert run_all(said, lambda part: Ended(part.name, 7, trouble=said[part])) == code
    names = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [*(f"== {part.name}" for part in said), "version", *(part.name for part in said)]


def test_a_version_that_is_not_there_is_told_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("2", "kafka-3.9", "kafka-2.8") == 2
    assert capsys.readouterr().err == (
        "no kafka-2.8 here; there are kafka-3.9, kafka-4.0, kafka-4.4, kubernetes-1.35\n"
    )
