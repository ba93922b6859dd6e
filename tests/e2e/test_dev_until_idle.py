"""``streamwarden dev --until-idle``: the whole loop once, with figures that add up."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.dev_process import DevProcess


SCORE = """
import json, os
lines = [json.loads(line) for line in open(os.environ["STREAMWARDEN_RUN"])]
allowed = [line["entity"] for line in lines if line["verdict"] == "Allow"]
print(json.dumps({"accuracy": {"allowed": len(allowed)}, "first": min(allowed)}))
"""


@pytest.mark.long
def test_a_run_counts_every_event_decision_verdict_and_command(
    tiny: Path, start_dev: Callable[..., DevProcess]
) -> None:
    (tiny / "score.py").write_text(SCORE)
    report = tiny / "report.json"

    dev = start_dev(
        tiny,
        "--no-registry",
        "--until-idle",
        "--attempt-bypass",
        *("--with", "python sensors.py 0 200 0"),
        *("--with", f"{shlex.quote(sys.executable)} sensors.py -3 3 0"),  # of pressure 97 to 99: Python's modulo
        *("--at-end", "python score.py"),
        *("--report", str(report)),
        *("--timeout", "120"),
    )

    assert dev.wait() == 0, dev.output
    figures = json.loads(report.read_text())
    assert (figures["events"], figures["decisions"], figures["dead_letters"]) == (203, 203, 0)
    assert figures["verdicts"] == {
        "Allow": 103,
        "Deny": 100,
        "DeadLetter": 0,
        "rules": {"careful/sure": 100},
        "wouldDeny": {},
    }
    assert figures["commands"] == 103
    assert (figures["accuracy"], figures["first"]) == ({"allowed": 103}, "valve--001")
    assert figures["bypass"]["attempted"] == figures["bypass"]["refused"] > 30
    assert figures["agents"]["plant/watcher"]["commands"] == 103
    assert 0 < figures["decision_to_command_ms"]["p50"] <= figures["decision_to_command_ms"]["p99"]
    seconds = figures["seconds"]
    assert 0 < seconds["stack"] < seconds["ready"] < seconds["first_command"] < seconds["total"]
    assert figures["policies"] == {"plant/careful": 1}


@pytest.mark.long
def test_a_producer_that_fails_fails_the_run(tiny: Path, start_dev: Callable[..., DevProcess]) -> None:
    program = """python -c "import sys; print('no more sensors'); sys.exit(4)" """
    dev = start_dev(tiny, "--no-registry", "--until-idle", "--with", program, "--timeout", "120")

    assert dev.wait() == 1
    assert "ended with exit code 4" in dev.output
    assert "no more sensors" in dev.output
