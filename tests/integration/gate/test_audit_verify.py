"""``streamwarden audit verify`` on what a real gate has written, whole and then tampered with by an administrator."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import TopicPartition
from streamwarden_contract import canonical
from support.gate_chains import AGENT
from support.gate_world import eventually
from support.kafka_groups import describe_group
from support.kafka_tools import WAIT_S, Right, write_properties

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka import Message
    from support.gate_world import GateWorld

COMMAND = Path(sys.executable).with_name("streamwarden")


def judge_some(world: GateWorld) -> GateWorld:
    """Let a gate judge decisions in three partitions, with the markers of transactions between them."""
    world.start_gate()
    world.propose(range(20))
    world.write_as_agent_in_transaction(range(20, 40))
    world.propose(range(40, 44), confidence=0.1)
    world.propose(range(44, 46), parameters={"number": "x"})
    eventually(world.caught_up, "no lag")
    return world


@pytest.fixture(scope="module")
def judged(world_for_module: GateWorld) -> GateWorld:
    """What a gate has judged, which is idle now. Only to be read."""
    world_for_module.publish()
    return judge_some(world_for_module)


def auditor(world: GateWorld, name: str, *, without: Iterable[str] = ()) -> Path:
    """Make a user with the rights that the help names, without some of them; returns its settings."""
    names = world.names
    rights = [
        Right("READ", "TOPIC", names.shared.audit),
        Right("READ", "TOPIC", names.decisions),
        Right("DESCRIBE", "GROUP", names.gate_group),
    ]
    given = [right for right in rights if right.name not in set(without)]
    folder = world.folder / name
    write_properties(folder, world.cluster.create_user(f"{names.namespace}-{name}", given))
    return folder / "client.properties"


def run(world: GateWorld, settings: Path, *options: str) -> subprocess.CompletedProcess[str]:
    own = ["--kafka", str(settings), "--namespace", world.names.namespace]
    return subprocess.run(
        [COMMAND, "audit", "verify", *own, *options], capture_output=True, text=True, timeout=60, check=False
    )


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert isinstance(report, dict)
    return report


def kinds(report: dict[str, Any]) -> set[str]:
    return {fault["kind"] for chain in report["chains"] for fault in chain["faults"]}


def test_what_a_gate_has_written_is_whole_down_to_each_decision_and_asking_changes_nothing(judged: GateWorld) -> None:
    before, members = judged.committed(), group_members(judged)

    done = run(judged, auditor(judged, "auditor"), "--decisions")

    name = f"{judged.names.namespace}/{AGENT}"
    assert done.stdout.splitlines() == [
        *(
            f"{name} partition {number}: {head.length} records, from the beginning, "
            f"{head.length} decisions compared, whole"
            for number, (_, head) in before.items()
        ),
        "3 chains, 46 records, 0 faults: whole",
    ]
    assert (done.stderr, done.returncode) == ("", 0)
    assert (judged.committed(), group_members(judged)) == (before, members)


def group_members(world: GateWorld) -> list[str]:
    return describe_group(world.cluster, world.names.gate_group).members


@pytest.mark.parametrize(
    ("lacking", "answer"),
    [
        pytest.param("decisions", "TOPIC_AUTHORIZATION_FAILED", id="the-decision-topic"),
        pytest.param("gate_group", "GROUP_AUTHORIZATION_FAILED", id="the-gate-s-group"),
    ],
)
def test_what_one_may_not_read_is_said_and_not_certain(judged: GateWorld, lacking: str, answer: str) -> None:
    settings = auditor(judged, lacking.replace("_", "-"), without=[getattr(judged.names, lacking)])

    done = run(judged, settings, "--decisions", "--agent", AGENT)

    assert done.returncode == 1
    *_, said, summary = done.stdout.splitlines()
    assert said.startswith(f"not checked: what the gate of {AGENT} has committed (")
    assert answer in said
    assert summary == "3 chains, 46 records, 0 faults, 1 not checked: not certain"


def test_without_any_right_it_fails(judged: GateWorld) -> None:
    done = run(judged, auditor(judged, "nobody", without=[judged.names.shared.audit]), "--no-heads")

    assert (done.stdout, done.returncode) == ("", 1)
    assert done.stderr == f"error: {judged.names.shared.audit}: TOPIC_AUTHORIZATION_FAILED\n"


def test_what_an_administrator_does_to_decisions_and_audit_is_found(world: GateWorld) -> None:
    audit = judge_some(world).names.shared.audit
    settings, records = auditor(world, "auditor"), world.cluster.read_all(audit)
    partition = decode(records[-1])["decision"]["partition"]

    delete_decisions(world, before=2)
    said = run(world, settings, "--decisions")
    assert said.stdout.count(f"  2 judged decisions deleted from {world.names.decisions} by its retention\n") == 3
    assert said.returncode == 0

    edited = canonical.encode({**decode(records[-1]), "message": "never said"})
    world.cluster.produce(audit, [(records[-1].key(), edited, [])])
    added = run(world, settings, "--output", "json")
    assert (faults(added), added.returncode) == ({partition: ["Fork"]}, 1)

    make_again(world, audit, [(each.key(), each.value(), []) for each in records[:-1]])
    cut_off = run(world, settings, "--output", "json")
    assert (faults(cut_off), cut_off.returncode) == ({partition: ["Truncated"]}, 1)


def decode(message: Message) -> dict[str, Any]:
    found = canonical.decode(message.value() or b"")
    assert isinstance(found, dict)
    return found


def faults(done: subprocess.CompletedProcess[str]) -> dict[int, list[str]]:
    """What was found, by partition."""
    assert done.stderr == ""
    report = json.loads(done.stdout)
    found = {chain["partition"]: [fault["kind"] for fault in chain["faults"]] for chain in report["chains"]}
    assert (report["whole"], report["notChecked"]) == (False, [])
    return {partition: kinds for partition, kinds in found.items() if kinds}


def delete_decisions(world: GateWorld, *, before: int) -> None:
    """Do what retention does."""
    places = [TopicPartition(world.names.decisions, number, before) for number in range(world.partitions)]
    for future in world.cluster.admin.delete_records(places).values():
        future.result(WAIT_S)


def make_again(world: GateWorld, topic: str, records: list[tuple[bytes | None, bytes | None, list[Any]]]) -> None:
    """Write a topic anew, with these records."""
    world.cluster.admin.delete_topics([topic])[topic].result(WAIT_S)
    eventually(lambda: topic not in world.cluster.admin.list_topics(timeout=WAIT_S).topics, f"{topic} is gone")
    world.cluster.create_topics(topic)
    world.cluster.produce(topic, records)
