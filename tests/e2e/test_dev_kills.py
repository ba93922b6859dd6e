"""Kill -9 of agent, gate and broker in the middle of a run: the loop goes on, nothing is judged or commanded twice."""

from __future__ import annotations

import json
import os
import random
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from support.dev_process import AGENT, BROKER, GATE
from support.dev_tiny import DECISIONS, wait_for_decisions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.dev_process import DevProcess


READINGS = 1_500
RATE = 100
Kills = list[tuple[int, str]]
"""After so many decisions, this process."""
SEED = int(os.environ.get("CHAOS_SEED", "0"))


def kill(dev: DevProcess, victim: str) -> None:
    """Kill it once it is there, for it may just have been killed."""
    deadline = time.monotonic() + 60
    while not dev.has_one(victim):
        assert time.monotonic() < deadline, f"no {victim} came back:\n{dev.output}"
        time.sleep(0.05)
    dev.kill(victim)


def kills_of(seed: int) -> Kills:
    """Choose six victims, and moments in a run."""
    chance = random.Random(seed)  # noqa: S311  # to be had again, not to be secret
    moments = sorted(chance.sample(range(1, READINGS - 100), 6))
    return [(moment, chance.choice((AGENT, GATE, BROKER))) for moment in moments]


def judged_twice(lines: list[dict[str, Any]]) -> dict[str, list[tuple[int, str | None]]]:
    """Return of entities with more than one decision when each was written, and its command.

    It says which of three it was: a record that was counted twice (all of it is equal), a reading that is twice in its
    topic (there are more events than readings), or one that was decided twice.
    """
    found = defaultdict[str, list[tuple[int, str | None]]](list)
    for line in lines:
        found[line["entity"]].append((line["timestamp"], line["commandId"]))
    return {entity: each for entity, each in found.items() if len(each) > 1}


@pytest.mark.long
@pytest.mark.parametrize(
    "kills",
    [
        pytest.param([(100, AGENT), (300, GATE), (500, BROKER)], id="each-once"),
        *(
            pytest.param(kills_of(seed), id=f"by-chance-seed-{seed}", marks=pytest.mark.chaos)
            for seed in range(SEED, SEED + 3)
        ),
    ],
)
def test_each_decision_is_judged_once_and_no_command_comes_twice(
    tiny: Path, start_dev: Callable[..., DevProcess], kills: Kills
) -> None:
    report, decisions = tiny / "report.json", tiny / DECISIONS
    gate_log = tiny / ".streamwarden" / "logs" / "plant.watcher.gate.log"
    dev = start_dev(
        tiny,
        "--no-registry",
        "--until-idle",
        *("--with", f"python sensors.py 0 {READINGS} {RATE}"),
        *("--report", str(report)),
        *("--timeout", "180"),
    )
    for count, victim in kills:
        wait_for_decisions(tiny, count)
        kill(dev, victim)

    assert dev.wait(200) == 0, dev.output + gate_log.read_text()[-20_000:]

    figures = json.loads(report.read_text())
    lines = [json.loads(line) for line in decisions.read_text().splitlines()]
    assert (figures["events"], judged_twice(lines)) == (READINGS, {})
    assert sorted(line["entity"] for line in lines) == [f"valve-{number:04}" for number in range(READINGS)]
    assert figures["decisions"] == READINGS
    assert (figures["verdicts"]["Allow"], figures["verdicts"]["Deny"]) == (READINGS // 2, READINGS // 2)
    assert figures["commands"] == READINGS // 2
    command_ids = [line["commandId"] for line in lines if line["verdict"] == "Allow"]
    assert len(set(command_ids)) == READINGS // 2
