"""Lanes: tests that need the same thing, found by the fixtures they use.

Each test gets its lane's marker (``-m broker``) and a group that stays together in one worker: the whole lane where
there is one of what it needs, else the file. At the end of a run each lane's time is printed beside its budget.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.lane_scheduling import Groups, tell_groups

if TYPE_CHECKING:
    from collections.abc import Mapping

BUDGET = Path(__file__).parents[1] / "budget.toml"


@dataclass(frozen=True, slots=True)
class Lane:
    """Tests that need the same thing. Those that name one of its fixtures, or its marker, are in it."""

    name: str
    needs: str
    fixtures: frozenset[str] = frozenset()
    group: str = ""
    """Where its tests follow one another in one worker, whatever their file."""


LANES = (
    Lane("node", "a node with pods on it, and a Kafka that they reach", frozenset({"governed"}), "node"),
    # One worker with the other operators: they publish the policies of the same broker, which takes only one of them.
    Lane("api_server", "an API server", frozenset({"api_server", "bare_api_server", "site"}), "operator"),
    Lane("gates", "a Kafka whose guardrails the tests sign", frozenset({"gate_stack"}), "gates"),
    Lane("own_stack", "a Kafka that each starts for itself, as whole commands do", frozenset({"start_dev"})),
    Lane("kills", "a Kafka that the tests kill", frozenset({"breakable_stack"}), "kills"),
    Lane("operator", "the run's Kafka, as its one operator", frozenset({"sole_operator"}), "operator"),
    Lane("broker", "the run's Kafka, which all share", frozenset({"stack"})),
    Lane("kfake", "franz-go's kfake, which is up at once", frozenset({"kfake"})),
    Lane("examples", "what the examples need", frozenset({"example"})),
    Lane("pure", "nothing"),
)
"""The longest first: they are begun in this order, and a test is in the first that it fits."""


def lane_of(fixtures: frozenset[str], markers: frozenset[str]) -> Lane:
    """Return the first lane that one of these fixtures or markers belongs to, the last where none does."""
    return next((lane for lane in LANES if fixtures & lane.fixtures or lane.name in markers), LANES[-1])


def pytest_configure(config: pytest.Config) -> None:
    for lane in LANES:
        config.addinivalue_line("markers", f"{lane.name}: lane of tests that need {lane.needs}")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(LaneTimes(), "lane-times")
        if config.pluginmanager.hasplugin("xdist"):
            config.pluginmanager.register(Groups(), "groups")


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    places = {lane.name: place for place, lane in enumerate(LANES)}
    found: dict[pytest.Item, int] = {}
    for item in items:
        markers = frozenset(mark.name for mark in item.iter_markers())
        lane = lane_of(frozenset(getattr(item, "fixturenames", ())), markers)
        item.add_marker(lane.name)
        item.user_properties.append(("lane", lane.name))  # a report carries them from worker to controller
        item.add_marker(pytest.mark.xdist_group(lane.group or f"{lane.name}/{item.path.stem}"))
        found[item] = places[lane.name]
    items.sort(key=found.__getitem__)
    tell_groups(config, items)


@dataclass(slots=True)
class LaneTime:
    """What one lane took, in seconds."""

    tests: int = 0
    work: float = 0.0
    """The sum over its tests, preparation included."""
    first: float = float("inf")
    last: float = 0.0


@dataclass(eq=False)
class LaneTimes:
    """Listens to a run, and prints what each lane took."""

    times: dict[str, LaneTime] = field(default_factory=lambda: defaultdict(LaneTime))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        lane = dict(report.user_properties).get("lane")
        if lane is None:  # xdist's own report of a test that ended its worker: it has no times, and is printed as it is
            return
        time = self.times[str(lane)]
        time.tests += report.when == "call"
        time.work += report.duration
        time.first, time.last = min(time.first, report.start), max(time.last, report.stop)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        budget = tomllib.loads(BUDGET.read_text())["seconds"]
        if self.times:
            terminalreporter.section("lanes")
            for line, over in table(self.times, budget):
                terminalreporter.write_line(line, yellow=over)


def table(times: Mapping[str, LaneTime], budget: Mapping[str, float]) -> list[tuple[str, bool]]:
    """Return the lines to print, and of each whether its lane is over its budget."""
    head = f"{'lane':<12}{'tests':>7}{'work':>9}{'budget':>9}{'from first to last':>21}"
    lines = [(head, False)]
    for name, time in times.items():
        allowed = budget[name]
        over = time.work > allowed
        row = f"{name:<12}{time.tests:>7}{time.work:>7.0f} s{allowed:>7.0f} s{time.last - time.first:>19.0f} s"
        lines.append((f"{row}  over its budget" if over else row, over))
    return lines
