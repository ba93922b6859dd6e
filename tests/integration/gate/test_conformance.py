"""A sample of the conformance corpus through a running gate, its log and its topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support import conformance
from support.conformance import Row, expectation_of, policies_of, schemas_of, targets_of, with_rule
from support.conformance_records import record_of
from support.gate_chains import AGENT
from support.gate_world import UID, eventually
from support.policy_log import binding_record, epoch_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.gate_world import GateWorld

SAMPLE = [row for row in conformance.rows() if row.said.get("endToEnd")]
ALIKE = ("verdict", "reason", "rule", "deadLetter", "message")
"""What an audit record says alike wherever the gate runs; names, ids and revisions are the world's."""


@pytest.fixture(scope="module")
def judged(world_for_module: GateWorld) -> dict[str, tuple[dict[str, Any], list[bytes | None]]]:
    """Of each sentence: the audit record, and the values of the commands that came of it."""
    world, situation = world_for_module, None
    for row in SAMPLE:
        wanted = with_rule(row.case.situation, row.said)
        if wanted != situation:
            situation = wanted
            publish(world, situation)
            if not world.processes:
                world.start_gate()
            world.wait_in_force()
        given = record_of(row.said, row.number, world.partitions)
        world.write_as_agent([(given.key, given.value, list(given.headers))], partition=given.partition)
        eventually(world.caught_up, f"no lag after {row.sentence!r}")
    written = world.cluster.read_all(world.commands)
    commands = {_id_of(message): message.value() for message in written}
    audits = world.audits()
    made = [[commands[audit["command"]["id"].encode()]] if audit["command"] else [] for audit in audits]
    assert len(written) == sum(map(len, made))
    return {row.sentence: pair for row, pair in zip(SAMPLE, zip(audits, made, strict=True), strict=True)}


def _id_of(command: Any) -> bytes:
    found: bytes = dict(command.headers())["ce_id"]
    return found


def publish(world: GateWorld, situation: Mapping[str, Any]) -> None:
    """Publish a situation as the world's next epoch; every decision type has the one command topic there is."""
    world.epoch += 1
    policies = []
    for policy in policies_of(situation, world.names.namespace):
        world.revision += 1
        policies.append(policy.model_copy(update={"revision": world.revision, "epoch": world.epoch}))
    world.revision += 1
    schemas = {name: one.model_copy(update={"epoch": world.epoch}) for name, one in schemas_of(situation).items()}
    targets = {
        name: target.model_copy(update={"topic": world.commands})
        for name, target in targets_of(situation, schemas).items()
    }
    binding = binding_record(
        world.names.namespace,
        AGENT,
        policies,
        targets,
        uid=UID,
        revision=world.revision,
        epoch=world.epoch,
        partitions=world.partitions,
        topic_id=world.topic_id(world.names.decisions),
        audit_topic_id=world.topic_id(world.names.shared.audit),
    )
    closing = epoch_record(world.epoch, revision_counter=world.revision)
    world.write_log(world.signed([*policies, *schemas.values(), binding, closing]))


@pytest.mark.long
@pytest.mark.parametrize("row", SAMPLE, ids=[row.sentence for row in SAMPLE])
def test_a_running_gate_makes_of_a_record_what_the_corpus_says(
    judged: dict[str, tuple[dict[str, Any], list[bytes | None]]], row: Row
) -> None:
    audit, commands = judged[row.sentence]
    expected = expectation_of(row.said)
    named = {name: expected[name] for name in ALIKE if name in expected}
    assert {name: audit[name] for name in named} == named
    assert len(commands) == (audit["verdict"] == "Allow")
    if "command" in expected:
        assert commands == [expected["command"]["value"].encode()]


def test_the_sample_has_every_verdict() -> None:
    assert {expectation_of(row.said).get("verdict", "Allow") for row in SAMPLE} == {"Allow", "Deny", "DeadLetter"}


def test_the_chains_of_the_sample_are_whole(
    world_for_module: GateWorld, judged: dict[str, tuple[dict[str, Any], list[bytes | None]]]
) -> None:
    assert len(judged) == len(SAMPLE)
    eventually(world_for_module.caught_up, "no lag")
    world_for_module.check_chains()
