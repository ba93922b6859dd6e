"""Whatever is wrong with the policy log or the offsets: no command, and the gate says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.audit import ChainHead
from support.gate_world import RULE, eventually
from support.policy_log import SigningKey, policy_record, policy_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gate_world import GateWorld


def missing_log(_world: GateWorld) -> None:
    pass


def unsigned(world: GateWorld) -> None:
    world.write_log([(key, value, []) for key, value, _ in world.signed(world.records({"confident": ("true",)}))])


def signed_by_a_stranger(world: GateWorld) -> None:
    stranger = SigningKey(key_id=world.key.key_id)
    world.write_log(world.signed(world.records({"confident": ("true",)}), stranger))


def tampered(world: GateWorld) -> None:
    records = world.signed(world.records({"confident": (RULE,)}))
    key, value, headers = records[0]
    assert value is not None
    world.write_log([(key, value.replace(b"0.5", b"0.0"), headers), *records[1:]])


def incomplete(world: GateWorld) -> None:
    world.write_log(world.signed(world.records({"confident": (RULE,)})[1:]))


def other_digest(world: GateWorld) -> None:
    policy, *rest = world.records({"confident": (RULE,)})
    other = policy_record(world.names.namespace, "confident", policy_spec("true"), revision=1, epoch=1)
    assert other.key == policy.key
    world.write_log(world.signed([other, *rest]))


def another_uid(world: GateWorld) -> None:
    *rest, binding, epoch = world.records({"confident": (RULE,)})
    world.write_log(world.signed([*rest, binding.model_copy(update={"agent_uid": "uid-2"}), epoch]))


def another_topic(world: GateWorld) -> None:
    *rest, binding, epoch = world.records({"confident": (RULE,)})
    topic = binding.decision_topic.model_copy(update={"topic_id": "A" * 22})  # type: ignore[union-attr]  # the binding
    world.write_log(world.signed([*rest, binding.model_copy(update={"decision_topic": topic}), epoch]))


def not_compiling(world: GateWorld) -> None:
    world.publish("decision.confidence >=")


@pytest.mark.parametrize(
    ("write", "state", "reason"),
    [
        pytest.param(missing_log, "Starting", "LogMissing", id="the-log-is-empty"),
        pytest.param(unsigned, "Rejected", "Unsigned", id="the-log-is-unsigned"),
        pytest.param(signed_by_a_stranger, "Rejected", "BadSignature", id="the-log-is-signed-by-a-stranger"),
        pytest.param(tampered, "Rejected", "BadSignature", id="a-policy-is-tampered-with"),
        pytest.param(incomplete, "Rejected", "BindingIncomplete", id="the-binding-is-incomplete"),
        pytest.param(other_digest, "Rejected", "DigestMismatch", id="a-policy-has-another-digest"),
        pytest.param(another_uid, "Rejected", "AgentMismatch", id="the-binding-is-another-agents"),
        pytest.param(another_topic, "Rejected", "TopicMismatch", id="the-binding-is-for-another-topic"),
        pytest.param(not_compiling, "Rejected", "InvalidExpression", id="a-rule-does-not-compile"),
    ],
)
def test_nothing_is_judged(
    build_world: Callable[..., GateWorld], write: Callable[[GateWorld], None], state: str, reason: str
) -> None:
    world = build_world()
    write(world)
    world.propose(range(3))
    world.start_gate()

    def says_so() -> bool:
        ack = world.last_ack()
        return ack is not None and (ack.state, ack.reason, ack.namespace_epoch) == (state, reason, 0)

    eventually(says_so, f"{state} {reason}")
    assert world.commanded() == []
    assert world.audits() == []
    assert {place[0] for place in world.committed().values()} == {0}


def test_an_expression_that_errors_denies(build_world: Callable[..., GateWorld]) -> None:
    world = build_world()
    world.publish("decision.parameters.nothing > 1")
    world.start_gate()
    world.propose([1])
    eventually(world.caught_up, "no lag")
    assert [(audit["verdict"], audit["reason"], audit["rule"]) for audit in world.audits()] == [
        ("Deny", "RuleError", "confident/r0")
    ]
    assert world.commanded() == []


def test_a_log_of_a_lower_epoch_than_was_in_force_judges_nothing(build_world: Callable[..., GateWorld]) -> None:
    world = build_world(offsets=False)
    world.commit_first_offsets(ChainHead(namespace_epoch=9, guardrail_epoch=1).metadata())
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


def test_a_running_gate_keeps_the_last_good_set_when_the_log_is_tampered_with(world: GateWorld) -> None:
    world.start_gate()
    world.wait_in_force()
    stranger = SigningKey(key_id=world.key.key_id)
    world.write_log(world.signed(world.records({"confident": ("true",)}), stranger))

    def says_so() -> bool:
        ack = world.last_ack()
        return ack is not None and (ack.state, ack.reason, ack.namespace_epoch) == ("Rejected", "BadSignature", 1)

    eventually(says_so, "Rejected BadSignature")
    world.propose([1], confidence=0.1)
    world.propose([2])
    eventually(world.caught_up, "no lag")
    assert world.commanded() == ["page-2"]
    assert {audit["epochs"]["namespace"] for audit in world.audits()} == {1}


def test_an_epoch_record_that_is_written_again_does_not_roll_back(world: GateWorld) -> None:
    world.start_gate()
    first = world.signed(world.records({"confident": ("true",)}))
    world.write_log(first)
    world.publish("false")
    world.wait_in_force()
    world.write_log(first)

    def says_so() -> bool:
        ack = world.last_ack()
        return ack is not None and (ack.state, ack.reason, ack.namespace_epoch) == ("Rejected", "RolledBack", 3)

    eventually(says_so, "Rejected RolledBack")
    world.propose([1])
    eventually(world.caught_up, "no lag")
    assert world.commanded() == []


@pytest.mark.parametrize("what", ["no-files", "bad-json"])
def test_bad_configuration_ends_the_process_with_code_2(world: GateWorld, what: str) -> None:
    file = world.folder / "public-keys.json"
    file.unlink()
    if what == "bad-json":
        file.write_text("{")
    gate = world.start_gate()
    assert gate.wait(30) == 2
    assert "public-keys.json" in world.log_lines()[-1]["detail"]
