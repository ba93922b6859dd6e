"""``streamwarden dev`` as a person meets it, on a copy of the example, with warm caches.

From typing the command until the first command of a gate can be read, with the moments in between; and, while pages
flow, from saving the agent's program until a decision of the new one can be read. Each run is a whole ``dev``.

Beside it two floors: Kafka alone, from its formatting until it answers; and the CPU that all processes of ``dev`` took
until the first command, over the cores that there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, TopicPartition
from harness import ROOT, Figures, Goal, Result
from streamwarden_cli.local.running import RunningDev
from streamwarden_cli.local.state import StateFolder
from streamwarden_devstack.stack import Stack
from streamwarden_kafka.clients import open_consumer
from streamwarden_kafka.logs import ClientLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from confluent_kafka import Message

NAME = "dev"
EXAMPLE = ROOT / "examples" / "phishing"
PROGRAM = "page_guard.py"
COMMANDS, DECISIONS = "web.pages.commands", "web.page-guard.decisions"
PRODUCER = "python producer.py --rate 40"
RUNS = 3
PATIENCE_S = 120.0
GOALS = (Goal("first_command_s", "below", 8),)
_MOMENTS = {"Kafka answers": "controller_s", "all agents are ready": "agents_ready_s", "started:": "producer_s"}


def run() -> Result:
    """Run ``dev`` a few times, and return the median of each figure and the worst."""
    _measure()  # what is compiled or cached is now
    runs = [_measure() for _ in range(RUNS)]
    figures: Figures = {}
    for figure in runs[0]:
        figures[figure] = round(statistics.median(found[figure] for found in runs), 2)
    for figure in ("first_command_s", "edit_to_decision_s"):
        figures[f"{figure.removesuffix('_s')}_worst_s"] = round(max(found[figure] for found in runs), 2)
    figures["first_command_without_registry_s"] = round(_measure("--no-registry")["first_command_s"], 2)
    figures["kafka_alone_s"] = round(statistics.median(asyncio.run(_kafka_alone()) for _ in range(RUNS)), 2)
    figures["cpu_over_cores_s"] = round(figures["cpu_s"] / (os.cpu_count() or 1), 2)
    notes = (
        f"median of {RUNS} runs, each from the start of the process, interpreter included",
        "dev, Kafka, registry, two agents, two gates, producer and this program share the machine",
        "controller_s: Kafka answers, and the manifests are being reconciled",
        "producer_s: every agent is ready, and the producer is started; its own start is in what follows",
        "cpu_s: of all processes of dev until the first command; cpu_over_cores_s and kafka_alone_s are floors",
        "edit_to_decision_s: from saving the program until a decision of the new one is read, at 40 pages a second",
    )
    return Result(NAME, figures, GOALS, notes)


def _measure(*options: str) -> Figures:
    with tempfile.TemporaryDirectory(prefix="streamwarden-bench-") as parent:
        folder = Path(shutil.copytree(EXAMPLE, Path(parent) / "phishing", ignore=shutil.ignore_patterns(".*")))
        with _started(folder, *options) as (began, process, output):
            figures = {}
            for said, figure in _MOMENTS.items():
                _await_line(output, said)
                figures[figure] = time.perf_counter() - began
                if figure == "controller_s":
                    commands = _reader(folder, "commands")
                    _assign(commands, COMMANDS, OFFSET_BEGINNING)
            _await_record(commands, lambda _: True)
            figures["first_command_s"] = time.perf_counter() - began
            figures["cpu_s"] = _cpu_s(process.pid)
            commands.close()
            figures["edit_to_decision_s"] = _edit(folder)
            return figures


@contextlib.contextmanager
def _started(folder: Path, *options: str) -> Iterator[tuple[float, subprocess.Popen[bytes], Path]]:
    """Start it, and end it as Ctrl-C does."""
    output = folder.parent / "output"
    with output.open("w") as sink:
        began = time.perf_counter()
        command = [Path(sys.executable).with_name("streamwarden"), "dev", str(folder), "--with", PRODUCER, *options]
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT, env={**os.environ, "COLUMNS": "200"})
        try:
            yield began, process, output
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)


async def _kafka_alone() -> float:
    """Return the seconds that a Kafka takes by itself, with formatting."""
    with tempfile.TemporaryDirectory(prefix="streamwarden-bench-") as folder:
        async with Stack(Path(folder) / "stack", registry=False) as stack:
            return stack.seconds["kafka"]


def _cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and all below it, those included that have ended and were waited for."""
    rows = dict(_processes())
    below = {pid}
    while more := {each for each, (parent, _) in rows.items() if parent in below} - below:
        below |= more
    return sum(ticks for each, (_, ticks) in rows.items() if each in below) / os.sysconf("SC_CLK_TCK")


def _processes() -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield every process with its parent and its clock ticks (proc_pid_stat(5))."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name, which is in parentheses, may hold any character.
            fields = stat.read_text().rpartition(")")[2].split()
            yield int(stat.parent.name), (int(fields[1]), sum(map(int, fields[11:15])))


def _edit(folder: Path) -> float:
    """Save another program, and return the seconds until one of its decisions is read."""
    decisions, program = _reader(folder, "decisions"), folder / PROGRAM
    _assign(decisions, DECISIONS, OFFSET_END)
    edited = program.read_text().replace("phishing with probability", "edited: phishing with probability")
    began = time.perf_counter()
    program.write_text(edited)
    _await_record(decisions, lambda message: b"edited: " in (message.value() or b""))
    took = time.perf_counter() - began
    decisions.close()
    return took


def _reader(folder: Path, name: str) -> Consumer:
    connection = RunningDev(StateFolder(folder)).operator_connection()
    return open_consumer(connection, f"streamwarden.operator.bench-{name}", ClientLog("bench", quiet=True), {})


def _assign(consumer: Consumer, topic: str, offset: int) -> None:
    """Read a topic, as soon as it is there."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = consumer.list_topics(timeout=10).topics.get(topic)
        if found is not None and found.error is None and found.partitions:
            break
        assert time.monotonic() < deadline, f"no topic {topic}"
        time.sleep(0.05)
    consumer.assign([TopicPartition(topic, partition, offset) for partition in found.partitions])


def _await_record(consumer: Consumer, wanted: Callable[[Message], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        message = consumer.poll(0.05)
        if message is not None and message.error() is None and wanted(message):
            return
    raise TimeoutError("the record has not come")


def _await_line(output: Path, said: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while said not in output.read_text():
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.02)


if __name__ == "__main__":
    result = run()
    print(result.write().read_text())
