"""The example's folder is on the path, as it is where its agents run; its modules are loaded afresh for each test."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "phishing"


@pytest.fixture
def example() -> Path:
    return FOLDER


@pytest.fixture
def load(example: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of the example anew, as a process that has just started would."""
    monkeypatch.syspath_prepend(str(example))
    own = {file.stem for file in example.glob("*.py")}

    def fresh(name: str) -> ModuleType:
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    yield fresh
    for name in own:
        sys.modules.pop(name, None)


@pytest.fixture
def report() -> dict[str, Any]:
    """A run's report, in the form that ``streamwarden dev --report`` writes."""
    window = {"from": "page-0001", "to": "page-0125", "proposed": 0.68, "commanded": 0.512, "plain": 0.688}
    overall = {"proposed": 0.8792, "commanded": 0.716, "plain": 0.88}
    refused = {"attempt": "write a command", "answer": "TOPIC_AUTHORIZATION_FAILED", "refused": True}
    agent = {"decisions": 539, "allowed": 209, "denied": 330, "dead_letters": 0}
    return {
        "events": 2500,
        "decisions": 748,
        "verdicts": {
            "Allow": 418,
            "Deny": 330,
            "DeadLetter": 0,
            "rules": {"block-with-care/confident": 275, "block-with-care/established-domain": 55},
            "wouldDeny": {"stricter-trial/very-confident": 383},
        },
        "commands": 209,
        "outcomes": 209,
        "dead_letters": 0,
        "accuracy": {
            "windows": [window],
            "overall": overall,
            "false_alarms": {"proposed": 71, "commanded": 8, "plain": 72},
            "missed": {"proposed": 80, "commanded": 347, "plain": 78},
            "right_blocks": {"proposed": 0.8683, "commanded": 0.9617, "plain": 0.8667},
        },
        "bypass": {"attempted": 1, "refused": 1, "attempts": {"web/page-guard": [refused]}},
        "seconds": {"stack": 3.1, "download": 0.0, "ready": 9.5, "first_command": None, "total": 48.2},
        "agents": {"web/page-guard": agent | {"decision_to_command_ms": {"p50": 6.1, "p99": None}}},
    }
