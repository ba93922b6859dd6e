import io
from collections.abc import Callable
from types import ModuleType

import pytest
from rich.console import Console

Load = Callable[[str], ModuleType]


@pytest.fixture
def report() -> dict:
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
        },
        "bypass": {"attempted": 1, "refused": 1, "attempts": {"web/page-guard": [refused]}},
        "seconds": {"stack": 3.1, "download": 0.0, "ready": 9.5, "first_command": None, "total": 48.2},
        "agents": {"web/page-guard": agent | {"decision_to_command_ms": {"p50": 6.1, "p99": None}}},
    }


def printed(load: Load, report: dict) -> list[list[str]]:
    """Return the lines as a reader without a terminal sees them, each as its columns."""
    console = Console(file=io.StringIO(), width=120)
    console.print(load("closing").render(report))
    return [line.split() for line in console.file.getvalue().splitlines()]


def test_the_report_shows_the_figures(load: Load, report: dict) -> None:
    lines = printed(load, report)
    assert ["2,500", "748", "418", "330", "0", "209", "209"] in lines
    assert ["block-with-care/confident", "275", "-"] in lines
    assert ["stricter-trial/very-confident", "-", "383"] in lines
    assert ["page-0001", "to", "page-0125", "68.8%", "68.0%", "51.2%"] in lines
    assert ["phishing", "pages", "missed", "78", "80", "347"] in lines
    assert ["web/page-guard", "1", "1"] in lines


def test_an_unknown_figure_is_no_zero(load: Load, report: dict) -> None:
    lines = printed(load, report)
    assert ["web/page-guard", "539", "209", "330", "0", "6.1", "-"] in lines
    assert ["until", "the", "first", "command", "-"] in lines


def test_a_bypass_that_got_through_is_named(load: Load, report: dict) -> None:
    report["bypass"]["attempts"]["web/page-guard"].append(
        {"attempt": "read the audit", "answer": "SUCCEEDED", "refused": False}
    )
    assert ["web/page-guard:", "read", "the", "audit:", "SUCCEEDED"] in printed(load, report)


def test_a_run_that_was_not_scored_is_shown_all_the_same(load: Load, report: dict) -> None:
    report["accuracy"] = None
    assert ["unknown:", "the", "run", "was", "not", "scored"] in printed(load, report)


def test_a_good_run_has_no_problems(load: Load, report: dict) -> None:
    assert load("closing").problems(report) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"bypass": {"attempted": 0, "refused": 0}}, "no bypass was attempted", id="nothing was tried"),
        pytest.param(
            {"bypass": {"attempted": 3, "refused": 2}},
            "1 bypass attempts were not refused by the broker",
            id="the broker let one through",
        ),
        pytest.param({"commands": 0, "outcomes": 0}, "no command flowed", id="no command"),
        pytest.param({"outcomes": 208}, "209 commands had 208 outcomes", id="an outcome is missing"),
        pytest.param({"accuracy": None}, "the run was not scored", id="no score"),
    ],
)
def test_a_run_that_shows_less_than_promised_says_so(load: Load, report: dict, changes: dict, problem: str) -> None:
    assert load("closing").problems(report | changes) == [problem]
