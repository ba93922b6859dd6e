"""What every benchmark needs: goals, the machine's description, and a file with the figures."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import confluent_kafka
from streamwarden_devstack.stack.versions import DEFAULT, KAFKAS

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "bench"

# What every gate and engine judges by.
RULES = tuple(
    rule
    for number in range(5)
    for rule in (
        f"decision.confidence >= 0.{number + 1}",
        f"decision.parameters.number < {10_000_000 + number}",
        f"decision.entity.startsWith('page-') && size(decision.entity) < {200 + number}",
        f"agent.labels.role == 'test' && decision.type != 'never-{number}'",
    )
)

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be."""

    figure: str
    relation: Literal["at least", "below"]
    value: float

    def met(self, figures: Figures) -> bool:
        """Tell whether the figure is as it should be."""
        found = figures[self.figure]
        return found >= self.value if self.relation == "at least" else found < self.value


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one benchmark; a figure's unit ends its name."""

    name: str
    figures: Figures
    goals: tuple[Goal, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def write(self) -> Path:
        """Write ``build/bench/NAME.json``."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{self.name}.json"
        goals = [
            {**asdict(goal), "measured": self.figures[goal.figure], "met": goal.met(self.figures)}
            for goal in self.goals
        ]
        content = {
            "name": self.name,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": describe_machine(),
            "figures": self.figures,
            "goals": goals,
            "notes": self.notes,
        }
        path.write_text(json.dumps(content, indent=2) + "\n")
        return path


def describe_machine() -> dict[str, str | int | float]:
    """Say what the figures were measured on, and how busy it was."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_average_1m": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "kafka": KAFKAS[DEFAULT],
        "librdkafka": confluent_kafka.libversion()[0],
    }


def percentile(values: list[float], fraction: float) -> float:
    """Return the value below which this fraction of the values lies; 0 for no values."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
