import io
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

Load = Callable[[str], ModuleType]


def printed(load: Load, report: dict[str, Any]) -> list[list[str]]:
    """Return the lines as a reader without a terminal sees them, each as its columns."""
    out = io.StringIO()
    console = Console(file=out, width=120)
    console.print(load("closing").render(report))
    return [line.split() for line in out.getvalue().splitlines()]


def test_the_report_shows_the_figures(load: Load, report: dict[str, Any]) -> None:
    lines = printed(load, report)
    assert ["2,500", "748", "418", "330", "0", "209", "209"] in lines
    assert ["block-with-care/confident", "275", "-"] in lines
    assert ["stricter-trial/very-confident", "-", "383"] in lines
    assert ["page-0001", "to", "page-0125", "68.8%", "68.0%", "51.2%"] in lines
    assert ["phishing", "pages", "missed", "78", "80", "347"] in lines
    assert ["web/page-guard", "1", "1"] in lines


def test_an_unknown_figure_is_no_zero(load: Load, report: dict[str, Any]) -> None:
    lines = printed(load, report)
    assert ["web/page-guard", "539", "209", "330", "0", "6.1", "-"] in lines
    assert ["until", "the", "first", "command", "-"] in lines


def test_a_bypass_that_got_through_is_named(load: Load, report: dict[str, Any]) -> None:
    report["bypass"]["attempts"]["web/page-guard"].append(
        {"attempt": "read the audit", "answer": "SUCCEEDED", "refused": False}
    )
    assert ["web/page-guard:", "read", "the", "audit:", "SUCCEEDED"] in printed(load, report)


def test_a_run_that_was_not_scored_is_shown_all_the_same(load: Load, report: dict[str, Any]) -> None:
    report["accuracy"] = None
    assert ["unknown:", "the", "run", "was", "not", "scored"] in printed(load, report)


def test_x64_the_last_section_says_what_the_gate_kept_from_happening_and_what_that_saved(
    load: Load, report: dict[str, Any]
) -> None:
    lines = [" ".join(line) for line in printed(load, report)]
    last = " ".join(lines[lines.index("What the gate kept from happening") + 1 :])
    assert last == (
        "Without its gate the agent would have blocked 71 legitimate pages; 8 were blocked. "
        "Saved: 63 pages that people may need stayed in reach. "
        "Of what was blocked, 96.2% was phishing; of what the agent proposed, 86.8%. "
        "The price: 267 phishing pages passed, of which the agent was less sure than the policies ask. "
        "Round the gate: 1 ways were tried with the agents' own credentials, and 0 got through."
    )


def test_x64_without_a_score_only_what_is_known_is_said(load: Load, report: dict[str, Any]) -> None:
    report["accuracy"] = None
    lines = [" ".join(line) for line in printed(load, report)]
    last = lines[lines.index("What the gate kept from happening") + 1 :]
    assert [line.split(":")[0] for line in last] == ["Round the gate"]


def test_x64_what_the_total_leaves_out_is_said(load: Load, report: dict[str, Any]) -> None:
    lines = [" ".join(line) for line in printed(load, report)]
    assert "this run in all, download included, installing left out 48.2" in lines


def test_a_good_run_has_no_problems(load: Load, report: dict[str, Any]) -> None:
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
def test_a_run_that_shows_less_than_promised_says_so(
    load: Load, report: dict[str, Any], changes: dict[str, Any], problem: str
) -> None:
    assert load("closing").problems(report | changes) == [problem]
