"""A halted gate goes on behind what people ask it to skip (X11): a real loop, with batches that nobody can decode."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.local.running import RunningDev
from streamwarden_cli.local.state import StateFolder
from streamwarden_kafka.deaths import MOST_SKIPPED
from support.bombs import zstd_bomb
from support.dev_process import SUPERVISOR
from support.dev_tiny import run, wait_for_decisions, write_readings
from support.raw_records import RawWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.dev_process import DevProcess

READINGS = 40
BOMB = zstd_bomb(640 * 1024 * 1024)


@pytest.mark.long
def test_x11_a_halted_partition_goes_on_after_the_command_and_nothing_beyond_the_range_is_lost(
    tiny: Path, start_dev: Callable[..., DevProcess]
) -> None:
    report = tiny / "report.json"
    dev = start_dev(tiny, "--no-registry", "--report", str(report))
    dev.wait_for("all agents are ready")
    assert dev.has_one(SUPERVISOR), "gates run as in pods"
    write_readings(tiny, 0, READINGS)
    wait_for_decisions(tiny, READINGS)
    agent = RunningDev(StateFolder(tiny)).pod_connection("plant", "watcher", "agent")
    with RawWriter(agent.librdkafka()) as writer:
        offsets = [writer.write("plant.watcher.decisions", 0, BOMB).offset for _ in range(MOST_SKIPPED + 1)]
    dev.wait_for(
        r"is halted: .*would be skipped, and 10 ranges were within an hour.*streamwarden gate skip plant/watcher"
    )
    write_readings(tiny, READINGS, READINGS)

    asked = ("gate", "skip", "plant/watcher", "--dir", str(tiny), "--partition", "0", "--to", str(offsets[-1]))
    why = ("--reason", "a broken library wrote it", "--requested-by", "ada")
    shown = run(*asked, *why, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert f"  offsets {offsets[-1]} to {offsets[-1]}: 1 records in {len(BOMB):,} bytes, written " in shown.stdout
    refused = run(*asked[:-1], "999", *why, "--yes")
    assert (refused.returncode, "only what is written is skipped" in refused.stderr) == (1, True)

    said = len(dev.lines)
    done = run(*asked, *why, "--yes")
    assert done.returncode == 0, done.stderr
    dev.wait_for("asked to skip decisions", after=said)
    dev.wait_for("RecordsSkipped: .*requested by ada .a claim.: a broken library wrote it", after=said)
    judged = wait_for_decisions(tiny, 2 * READINGS)
    assert sorted(judged) == [f"valve-{number:04}" for number in range(2 * READINGS)]

    verified = run("audit", "verify", "-n", "plant", "--dir", str(tiny), "--decisions")
    assert verified.returncode == 0, verified.stdout
    status = tiny / ".streamwarden/status/AgentDeployment.plant.watcher.json"
    assert json.loads(status.read_text())["spec"]["skips"][0]["requestedBy"] == "ada"

    said = len(dev.lines)
    assert dev.interrupt() == 130
    assert f"{MOST_SKIPPED + 1} ranges of decisions were skipped" in "".join(dev.lines[said:])
    skipped = json.loads(report.read_text())["skipped"]
    assert (skipped["ranges"], skipped["first"][-1]["last"]) == (MOST_SKIPPED + 1, offsets[-1])
