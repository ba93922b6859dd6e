"""Policy logs that no gate may take, as somebody could write them onto a namespace's policy topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_contract import canonical
from streamwarden_contract.policylog import NEWEST_FORMAT, BindingRecord, EpochRecord, PolicyRecord
from support.gate_world import RULE
from support.policy_log import SigningKey, policy_record, policy_spec

if TYPE_CHECKING:
    from streamwarden_contract.policylog import Record
    from support.gate_world import GateWorld
    from support.policy_log import LogRecord

LATER = NEWEST_FORMAT + 1


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


def without_its_policy(world: GateWorld) -> None:
    """Write a tombstone in a policy's place."""
    (key, _, _), *rest = world.signed(world.records({"confident": (RULE,)}))
    world.write_log([(key, None, []), *rest])


def other_digest(world: GateWorld) -> None:
    policy, *rest = world.records({"confident": (RULE,)})
    other = policy_record(
        world.names.namespace, "confident", policy_spec("true"), revision=world.revision - 1, epoch=world.epoch
    )
    assert other.key == policy.key
    world.write_log(world.signed([other, *rest]))


def another_uid(world: GateWorld) -> None:
    *rest, binding, epoch = world.records({"confident": (RULE,)})
    world.write_log(world.signed([*rest, binding.model_copy(update={"agent_uid": "uid-2"}), epoch]))


def another_topic(world: GateWorld) -> None:
    *rest, binding, epoch = world.records({"confident": (RULE,)})
    topic = binding.decision_topic.model_copy(update={"topic_id": "A" * 22})  # type: ignore[union-attr]  # the binding
    world.write_log(world.signed([*rest, binding.model_copy(update={"decision_topic": topic}), epoch]))


def _by_a_later_operator(world: GateWorld, kind: type[Record]) -> None:
    """Let the records of a kind be of a format that is not known yet, with a field that is not, rightly signed."""

    def written(record: Record) -> LogRecord:
        [signed] = world.signed([record])
        if not isinstance(record, kind):
            return signed
        key, value, _ = signed
        later = {**canonical.decode(value or b""), "format": LATER, "later": True}  # type: ignore[dict-item]  # an object
        return world.key.signed_bytes(world.policies, key, canonical.encode(later), cluster_id=world.cluster_id)

    world.write_log(map(written, world.records({"confident": ("true",)})))


def later_policy(world: GateWorld) -> None:
    _by_a_later_operator(world, PolicyRecord)


def later_binding(world: GateWorld) -> None:
    _by_a_later_operator(world, BindingRecord)


def later_epoch(world: GateWorld) -> None:
    _by_a_later_operator(world, EpochRecord)
