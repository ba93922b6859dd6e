"""A gate that cannot know its policies or its place: no command, and it says why. test_loop_faults has the bad logs."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.audit import ChainHead
from support.gate_world import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gate_world import GateWorld


def test_f47_nothing_is_judged_before_there_is_a_log(build_world: Callable[..., GateWorld]) -> None:
    world = build_world()
    world.propose(range(3))
    world.start_gate()

    def says_so() -> bool:
        ack = world.last_ack()
        return ack is not None and (ack.state, ack.reason, ack.namespace_epoch) == ("Starting", "LogMissing", 0)

    eventually(says_so, "Starting LogMissing")
    assert world.commanded() == []
    assert world.audits() == []
    assert {place[0] for place in world.committed().values()} == {0}


def test_f45_a_log_of_a_lower_epoch_than_was_in_force_judges_nothing(build_world: Callable[..., GateWorld]) -> None:
    world = build_world(offsets=False)
    world.commit_first_offsets(head=ChainHead(namespace_epoch=9, guardrail_epoch=1))
    world.publish("true")
    world.propose(range(3))
    world.start_gate()

    def says_so() -> bool:
        ack = world.last_ack()
        return ack is not None and (ack.state, ack.reason) == ("Rejected", "RolledBack")

    eventually(says_so, "Rejected RolledBack")
    assert world.audits() == []


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        pytest.param(None, "OffsetsLost", id="no-committed-offset"),
        pytest.param("", "ChainLost", id="no-chain-head"),
        pytest.param("1;0;garbled;0;0", "ChainLost", id="a-garbled-chain-head"),
    ],
)
def test_a_partition_without_its_place_is_not_judged(
    build_world: Callable[..., GateWorld], metadata: str | None, reason: str
) -> None:
    world = build_world(offsets=False)
    if metadata is not None:
        world.commit_first_offsets(metadata)
    world.publish("true")
    world.propose(range(3))
    world.start_gate()

    def says_so() -> bool:
        ack = world.last_ack()
        return ack is not None and (ack.state, ack.reason) == ("Rejected", reason)

    eventually(says_so, reason)
    assert world.audits() == []


@pytest.mark.parametrize("what", ["no-files", "bad-json"])
def test_bad_configuration_ends_the_process_with_code_2(world: GateWorld, what: str) -> None:
    file = world.folder / "public-keys.json"
    file.unlink()
    if what == "bad-json":
        file.write_text("{")
    gate = world.start_gate()
    assert gate.wait(30) == 2
    assert "public-keys.json" in world.log_lines()[-1]["detail"]


def test_a_policy_topic_that_is_made_again_under_a_gate_and_reaches_its_position_is_read_from_its_beginning(
    build_world: Callable[..., GateWorld],
) -> None:
    world = build_world()
    world.publish("true")
    gate = world.start_gate()
    world.wait_in_force()
    gate.send_signal(signal.SIGSTOP)  # as a gate that hears late of it
    world.cluster.delete_topics(world.policies)
    world.cluster.create_topics(world.policies, config={"cleanup.policy": "compact,delete"})
    world.publish("false")
    gate.send_signal(signal.SIGCONT)
    world.wait_in_force()
    world.propose(range(3))
    eventually(world.caught_up, "no lag")
    assert [audit["verdict"] for audit in world.audits()] == ["Deny"] * 3
    assert world.commanded() == []
    world.check_chains()
