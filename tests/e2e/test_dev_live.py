"""``streamwarden dev`` while it runs: edits, a second one, credentials, and Ctrl-C."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from streamwarden_contract.names import InstallationNames
from support.dev_process import AGENT, BROKER, GATE, PATIENCE_S, SUPERVISOR, is_alive
from support.dev_tiny import run, write_unreadable
from support.newcomers import write_as_documented

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.dev_process import DevProcess

INSTALLATION = InstallationNames()


def edit_policies(tiny: Path, dev: DevProcess) -> None:
    policy = tiny / "policy.yaml"
    before, said = policy.read_text(), len(dev.lines)
    policy.write_text(before.replace("0.5", "0.9"))
    line = (
        r"policy plant/careful revision (\d+) is in force in 1/1 gates, "
        r"(\d+) ms after the file changed, (\d+) ms after it was published"
    )
    revision, since_edit_ms, since_publish_ms = map(int, dev.wait_for(line, after=said).groups())
    assert revision > 1
    assert since_edit_ms >= since_publish_ms >= 0

    said = len(dev.lines)
    policy.write_text(before.replace("require", "requires"))
    dev.wait_for(r"policy.yaml:\d+: spec.rules\[0\]", after=said)
    dev.wait_for("what ran before goes on", after=said)
    status = json.loads((tiny / ".streamwarden/status/Policy.plant.careful.json").read_text())
    assert status["spec"]["rules"][0]["require"] == "decision.confidence >= 0.9"
    assert status["status"]["revision"] == revision

    said = len(dev.lines)
    policy.write_text(before.replace("0.5", "0.9"))
    dev.wait_for("the manifests are good again, and say what is applied already", after=said)


def say_what_is_hardly_meant(tiny: Path, dev: DevProcess) -> None:
    """X49: once, where it is new."""
    policy, said = tiny / "policy.yaml", len(dev.lines)
    before = policy.read_text().replace("requires", "require")
    policy.write_text(before.replace("role: deciding", "role: nobody"))
    dev.wait_for(r"warning: .*policy.yaml:\d+: spec.match: covers no decision of any agent here", after=said)
    dev.wait_for(r"warning: .*manifests.yaml:\d+: spec.decisions\[0\].type: no Enforce policy", after=said)
    said = len(dev.lines)
    policy.write_text(before)
    dev.wait_for("policy plant/careful revision .* is in force", after=said)
    assert "warning" not in "".join(dev.lines[said:])


def use_credentials(tiny: Path) -> None:
    for arguments, user in [
        (("plant/watcher",), "plant.watcher.agent"),
        (("plant/watcher", "--as", "gate"), "plant.watcher.gate"),
        (("--principal", "User:sensors"), "sensors"),
    ]:
        written = run("credentials", *arguments, "--dir", str(tiny))
        assert written.returncode == 0, written.stderr
        path = Path(written.stdout.strip())
        assert path.stat().st_mode & 0o777 == 0o600
        settings = dict(line.split("=", 1) for line in path.read_text().splitlines())
        assert settings["sasl.username"] == user
    # As the gate one may look at the decisions: the credentials work.
    settings = dict(
        line.split("=", 1)
        for line in (tiny / ".streamwarden/clients/plant.watcher.gate.librdkafka.properties").read_text().splitlines()
        if not line.startswith("partitioner")
    )
    consumer = Consumer({**settings, "group.id": "plant.watcher.gate"})
    deadline = time.monotonic() + PATIENCE_S
    while True:  # the first decision may be on its way
        low, high = consumer.get_watermark_offsets(TopicPartition("plant.watcher.decisions", 0), timeout=30)
        if high or time.monotonic() > deadline:
            break
    consumer.close()
    assert low == 0 < high
    java = run("credentials", "plant/watcher", "--format", "java", "--dir", str(tiny))
    assert "ScramLoginModule required" in Path(java.stdout.strip()).read_text()
    unknown = run("credentials", "plant/nobody", "--dir", str(tiny))
    assert (unknown.returncode, "agents here: plant/watcher" in unknown.stderr) == (1, True)


@pytest.mark.long
def test_a_running_loop_takes_edits_lends_credentials_and_ends_without_a_trace(
    tiny: Path, start_dev: Callable[..., DevProcess]
) -> None:
    dev = start_dev(tiny, "--no-registry", "--with", "python sensors.py 0 20 0")
    dev.wait_for("all agents are ready")
    dev.wait_for("started: python sensors.py")

    second = run("dev", str(tiny))
    assert second.returncode == 1
    assert f"already runs in {tiny} (process " in second.stderr.replace("\n", " ")

    assert "warning" not in dev.output
    edit_policies(tiny, dev)
    say_what_is_hardly_meant(tiny, dev)
    use_credentials(tiny)
    assert write_as_documented(tiny, str(Path(sys.executable).parent)) == "taken\n"
    bypass = run("bypass", "plant/watcher", "--dir", str(tiny))
    assert bypass.returncode == 0, bypass.stdout
    assert "attempts refused by the broker" in bypass.stdout

    write_unreadable(tiny, "/plant/old-sensors")
    dev.wait_for("has given up plant.readings/")
    below = dev.descendants()
    for name in (AGENT, GATE, SUPERVISOR, BROKER):
        assert any(re.search(name, args) for args in below.values())
    assert dev.interrupt() == 130
    assert "Ctrl-C: ending in order\n" in dev.output
    closing = dev.output[dev.output.index("Agents and their gates") :]
    assert re.search(r"/plant/old-sensors +plant.readings +MalformedValue +not JSON.* 1\n", closing), closing
    assert re.search(r"plant/watcher +AgentFailure +Decode failed .* 1\n", closing), closing
    assert [args for pid, args in below.items() if is_alive(pid)] == []
    assert (tiny / ".streamwarden").stat().st_mode & 0o777 == 0o700
    gone = run("credentials", "plant/watcher", "--dir", str(tiny))
    assert "no streamwarden dev runs" in gone.stderr.replace("\n", " ")


@pytest.mark.long
def test_a_loop_ends_once_another_operator_publishes_its_policies(
    tiny: Path, start_dev: Callable[..., DevProcess]
) -> None:
    dev = start_dev(tiny, "--no-registry")
    dev.wait_for("all agents are ready")
    identity = json.loads((tiny / ".streamwarden/stack/kafka/identity.json").read_text())
    rival = Producer(
        {
            "bootstrap.servers": f"127.0.0.1:{identity['nodes'][0]['client_port']}",
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "streamwarden.operator",
            "sasl.password": identity["operator_password"],
            "transactional.id": INSTALLATION.publisher_transactional_id,
        }
    )
    rival.init_transactions(30)
    policy = tiny / "policy.yaml"
    policy.write_text(policy.read_text().replace("0.5", "0.9"))

    dev.wait_for("error: another operator publishes this Kafka's policies now")
    assert dev.wait() == 1
