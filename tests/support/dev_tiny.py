"""What tests do with a running ``dev`` of the tiny loop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from confluent_kafka import Producer
from streamwarden_cli.local.running import RunningDev
from streamwarden_cli.local.state import StateFolder
from support.dev_process import COMMAND, PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

DECISIONS = ".streamwarden/run/decisions.jsonl"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run another command beside it."""
    return subprocess.run([str(COMMAND), *arguments], capture_output=True, text=True, check=False, timeout=120)


def write_readings(tiny: Path, first: int, count: int) -> None:
    """Write readings as the sensors do, whose credentials ``dev`` made."""
    subprocess.run(
        [sys.executable, "sensors.py", str(first), str(count), "0"],
        cwd=tiny,
        env={**os.environ, "STREAMWARDEN_DEV_DIR": str(tiny)},
        check=True,
        timeout=60,
    )


def write_unreadable(tiny: Path, source: str) -> None:
    """Write an event that is not JSON, as the sensors."""
    connection = RunningDev(StateFolder(tiny)).external_connection("sensors")
    producer = Producer(connection.librdkafka())
    attributes = {"specversion": "1.0", "id": "unreadable", "source": source, "type": "reading.taken"}
    headers: list[tuple[str, str | bytes | None]] = [(f"ce_{name}", value) for name, value in attributes.items()]
    producer.produce("plant.readings", b"not json", "valve-0001", headers=headers)
    assert producer.flush(60) == 0


def wait_for_decisions(tiny: Path, count: int) -> list[str]:
    """Return the entities of all judged decisions, once there are so many."""
    path, deadline = tiny / DECISIONS, time.monotonic() + PATIENCE_S
    while not path.exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < deadline, f"fewer than {count} decisions"
        time.sleep(0.05)
    return [json.loads(line)["entity"] for line in path.read_text().splitlines()]
