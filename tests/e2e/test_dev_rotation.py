"""New passwords of a running agent and gate (F42): no decision is lost, none judged twice, old ones open nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from streamwarden_cli.local.running import RunningDev
from streamwarden_cli.local.state import StateFolder
from streamwarden_contract.acks import GateAck, decode_ack
from streamwarden_contract.names import NamespaceNames
from streamwarden_kafka.connection import Connection
from support.dev_process import AGENT, COMMAND, GATE, PATIENCE_S
from support.dev_tiny import DECISIONS, run, wait_for_decisions, write_readings
from support.kafka_tools import Cluster
from support.password_logins import is_let_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.dev_process import DevProcess

DURING, AFTER, RATE = 400, 100, 40
ROTATIONS, POLL_S = 5, 0.1
ONE_MECHANISM = """
from streamwarden_cli.main import app
from streamwarden_operator.adapters.kafka.logins import KafkaLogins
async def offers(_self, _user, mechanism):
    return mechanism == "SCRAM-SHA-512"
KafkaLogins.offers = offers
app()
"""
"""``streamwarden`` with a Kafka whose listener takes one mechanism alone."""

IN_TURN = r"by SCRAM-SHA-256; the one before is valid until no pod goes by it"
IN_ITS_TURN = r"by SCRAM-SHA-(256|512); the one before is valid until no pod goes by it"
IN_PLACE = r"in place, as Kafka takes no logins by SCRAM-SHA-256"


@contextmanager
def sensors(tiny: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Write readings all the while."""
    command = [sys.executable, "sensors.py", "0", str(DURING), str(RATE)]
    process = subprocess.Popen(command, cwd=tiny, env={**os.environ, "STREAMWARDEN_DEV_DIR": str(tiny)})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def login_of(tiny: Path, role: str) -> Connection:
    """Return what a role's Secret has."""
    return Connection.parse(
        (tiny / f".streamwarden/secrets/plant/watcher-{role}-credentials/client.properties").read_text()
    )


def ask_for_rotation(tiny: Path, value: str = "spring") -> None:
    manifests = tiny / "manifests.yaml"
    named = r"{name: watcher, namespace: plant,( annotations: {.*?},)?"
    asked = f"{{name: watcher, namespace: plant, annotations: {{streamwarden.io/rotate-credentials: {value}}},"
    text, changed = re.subn(named, asked, manifests.read_text())
    assert changed == 1
    manifests.write_text(text)


def wait_for_others(dev: DevProcess, before: dict[str, set[int]]) -> None:
    """Wait until other processes run as agent and gate."""
    deadline = time.monotonic() + PATIENCE_S
    while not all(dev.has_one(what) and not dev.pids(what) & pids for what, pids in before.items()):
        assert time.monotonic() < deadline, f"the processes of before go on:\n{dev.output}"
        time.sleep(0.1)


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "how"),
    [
        pytest.param((str(COMMAND),), IN_TURN, id="F42-two-mechanisms-take-turns"),
        pytest.param((sys.executable, "-c", ONE_MECHANISM), IN_PLACE, id="F42-one-mechanism-in-place"),
    ],
)
def test_f42_passwords_are_replaced_under_a_running_loop_that_loses_nothing_and_judges_nothing_twice(
    tiny: Path, start_dev: Callable[..., DevProcess], command: tuple[str, ...], how: str
) -> None:
    dev = start_dev(tiny, "--no-registry", command=command)
    dev.wait_for("all agents are ready")
    with sensors(tiny) as writing:
        wait_for_decisions(tiny, 20)
        before = {what: dev.pids(what) for what in (AGENT, GATE)}
        logins = {role: login_of(tiny, role) for role in ("agent", "gate")}
        ask_for_rotation(tiny)
        for role in logins:
            dev.wait_for(rf"CredentialsRotationBegun: the user plant.watcher.{role} gets a new password .*{how}")
        if how is IN_TURN:
            dev.wait_for("CredentialsRotated: only the passwords in the Secrets are valid from now on")
        wait_for_others(dev, before)
        assert writing.wait(PATIENCE_S) == 0
    write_readings(tiny, DURING, AFTER)

    judged = wait_for_decisions(tiny, DURING + AFTER)
    assert sorted(judged) == [f"valve-{number:04}" for number in range(DURING + AFTER)]
    lines = [json.loads(line) for line in (tiny / DECISIONS).read_text().splitlines()]
    commands = [line["commandId"] for line in lines if line["verdict"] == "Allow"]
    assert len(set(commands)) == len(commands) == (DURING + AFTER) // 2
    verified = run("audit", "verify", "-n", "plant", "--dir", str(tiny), "--decisions")
    assert verified.returncode == 0, verified.stdout

    assert {role: is_let_in(login) for role, login in logins.items()} == {"agent": False, "gate": False}
    assert {role: is_let_in(login_of(tiny, role)) for role in logins} == {"agent": True, "gate": True}
    said = len(dev.lines)
    policy = tiny / "policy.yaml"
    policy.write_text(policy.read_text().replace("0.5", "0.9"))
    dev.wait_for("policy plant/careful revision .* is in force in 1/1 gates", after=said)
    assert dev.interrupt() == 130


class Replaced(NamedTuple):
    """How one rotation went: times are seconds since 1970."""

    refused: float
    """The first login with a password of before that Kafka did not take."""
    stopped: float
    """The gate of before ended, as it said itself."""
    ready: float
    """The new agent had its partitions, and the new gate its policies: both are logged in."""


def first_refusal(login: Connection) -> float:
    """Log in again and again until a login is refused; return when it was."""
    deadline = time.monotonic() + PATIENCE_S
    while is_let_in(login):
        assert time.monotonic() < deadline, "the password of before is good still"
        time.sleep(POLL_S)
    return time.time()


def gate_acks(cluster: Cluster) -> list[GateAck]:
    records = cluster.read_all(NamespaceNames("plant").gates)
    return [decode_ack(value) for record in records if (value := record.value()) is not None]


def replace_passwords(tiny: Path, dev: DevProcess, cluster: Cluster, value: str, how: str) -> Replaced:
    """Ask for a rotation and wait for its end; the gate of before is in force until it ends in order."""
    before, acks = {what: dev.pids(what) for what in (AGENT, GATE)}, gate_acks(cluster)
    assert acks[-1].state == "InForce"
    with ThreadPoolExecutor(2) as pool:
        refusals = [pool.submit(first_refusal, login_of(tiny, role)) for role in ("agent", "gate")]
        ask_for_rotation(tiny, value)
        for role in ("agent", "gate"):
            dev.wait_for(rf"CredentialsRotationBegun: the user plant.watcher.{role} gets .*='{value}'\), .*{how}")
        wait_for_others(dev, before)
        refused = min(refusal.result() for refusal in refusals)
    ready_file, deadline = tiny / ".streamwarden/config/plant.watcher/agent/ready-0", time.monotonic() + PATIENCE_S
    while True:
        told = gate_acks(cluster)[len(acks) :]
        in_force_ms = [ack.reported_at_ms for ack in told if ack.state == "InForce"]
        if ready_file.exists() and in_force_ms:
            break
        assert time.monotonic() < deadline, f"agent and gate do not come back: {told}\n{dev.output}"
        time.sleep(POLL_S)
    states = [ack.state for ack in told]
    assert (states[0], set(states[1:])) == ("Stopped", {"Starting", "InForce"}), states
    return Replaced(refused, told[0].reported_at_ms / 1000, max(ready_file.stat().st_mtime, in_force_ms[0] / 1000))


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("command", "how"),
    [
        pytest.param((str(COMMAND),), IN_ITS_TURN, id="F42-two-mechanisms"),
        pytest.param((sys.executable, "-c", ONE_MECHANISM), IN_PLACE, id="F42-one-mechanism"),
    ],
)
def test_f42_the_gap_of_a_rotation_is_measured_and_no_gate_says_anything_but_in_force_until_it_ends(
    tiny: Path, start_dev: Callable[..., DevProcess], command: tuple[str, ...], how: str
) -> None:
    """Prints the gap: from the first login with an old password that is refused, until the new agent and gate work.

    With two mechanisms nobody needs an old password when it ends, as those of before have ended. Chaos, as it takes
    minutes.
    """
    dev = start_dev(tiny, "--no-registry", command=command)
    dev.wait_for("all agents are ready")
    cluster = Cluster(RunningDev(StateFolder(tiny)).operator_connection().librdkafka())
    for turn in range(ROTATIONS):
        replaced = replace_passwords(tiny, dev, cluster, f"turn-{turn}", how)
        gap_s, starts_s = replaced.ready - replaced.refused, replaced.ready - replaced.stopped
        figures = f"gap {gap_s:.1f} s; from the old gate's end until both new ones work {starts_s:.1f} s"
        print(f"{turn}: {figures}")  # noqa: T201  # for people
        assert how is IN_PLACE or replaced.stopped < replaced.refused
        write_readings(tiny, turn * 10, 10)
        assert len(wait_for_decisions(tiny, (turn + 1) * 10)) == (turn + 1) * 10
