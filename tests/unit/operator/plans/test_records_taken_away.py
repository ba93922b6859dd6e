"""Who may write a policy topic and has no key can take records away, and write earlier ones: no rule is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamwarden_operator.adapters.signing import KeyRing, SigningKey
from streamwarden_operator.desired.policy_log import DesiredLog
from streamwarden_operator.plans.log_plan import after, sign_plan
from streamwarden_operator.plans.log_state import LogState, verify_log
from streamwarden_operator.plans.policy_log import plan_log
from streamwarden_operator.ports import SignedRecord
from support.older_gates import binding, spec

TOPIC, CLUSTER = "risk.streamwarden.policies", "cluster-1"
KEY = SigningKey.create()
RING = KeyRing(KEY.public_key)
BASE = DesiredLog(valid={"strict": spec("false"), "lax": spec("true")}, bindings={"guard": binding()})
HELD = replace(BASE, valid={"lax": spec("true")}, invalid={"strict": spec("(")})
"""An edit of the policy is refused, or it is held: its last good record is what counts."""
BY_NAME = [pytest.param(True, id="by-name"), pytest.param(False, id="by-revision")]

Log = tuple[LogState, dict[bytes, SignedRecord]]


def publish(desired: DesiredLog, log: Log | None = None, *, by_name: bool) -> Log:
    """Publish what differs; returns the state, and the topic as compaction leaves it."""
    state, records = log or (LogState(), {})
    plan = plan_log("risk", desired, state, by_name=by_name)
    signed = sign_plan(plan, topic=TOPIC, cluster_id=CLUSTER, signer=KEY)
    kept = {each.key: each for each in (*records.values(), *signed)}
    return after(state, plan, signed), {name: each for name, each in kept.items() if each.value is not None}


def read(records: dict[bytes, SignedRecord], known: LogState | None = None) -> LogState:
    return verify_log(records, topic=TOPIC, cluster_id=CLUSTER, verifier=RING, known=known)


def torn(records: dict[bytes, SignedRecord], key: bytes, value: bytes | None) -> dict[bytes, SignedRecord]:
    """Return a log of which one record was taken away, or written over."""
    rest = {name: each for name, each in records.items() if name != key}
    return rest if value is None else rest | {key: SignedRecord(key, value)}


@pytest.mark.parametrize("by_name", BY_NAME)
@pytest.mark.parametrize("value", [pytest.param(None, id="taken-away"), pytest.param(b"{}", id="written-over")])
def test_a_policy_of_which_the_last_good_one_counts_is_written_again(*, by_name: bool, value: bytes | None) -> None:
    before = publish(BASE, by_name=by_name)
    records = torn(before[1], b"policy/strict", value)
    state, healed = publish(HELD, (read(records, before[0]), records), by_name=by_name)
    assert state.bindings["guard"].policy_names == {"lax", "strict"}
    assert state.policies["strict"].spec == BASE.valid["strict"]
    assert state.policies["strict"].epoch > before[0].epoch
    assert read(healed) == state


@pytest.mark.parametrize("by_name", BY_NAME)
@pytest.mark.parametrize("value", [pytest.param(None, id="taken-away"), pytest.param(b"{}", id="written-over")])
def test_who_never_saw_it_leaves_it_in_the_binding(*, by_name: bool, value: bytes | None) -> None:
    """Its gates refuse that set, and stay on their last: to leave it out would allow what it denies."""
    before = publish(BASE, by_name=by_name)
    records = torn(before[1], b"policy/strict", value)
    state, _ = publish(HELD, (read(records), records), by_name=by_name)
    assert state.bindings["guard"].policy_names == {"lax", "strict"}
    assert "strict" not in state.policies


def test_an_earlier_policy_that_is_written_again_is_not_what_the_index_says() -> None:
    """All of it was signed once, and who reads it has seen nothing else."""
    first = publish(replace(BASE, valid={**BASE.valid, "strict": spec("true")}), by_name=True)
    second = publish(BASE, first, by_name=True)
    state = read({**second[1], b"policy/strict": first[1][b"policy/strict"]})
    assert state.refused == {b"policy/strict": "of revision 2, and the index says 5"}
    assert "strict" not in state.policies
    after_it, _ = publish(HELD, (state, second[1]), by_name=True)
    assert {ref.name: ref.revision for ref in after_it.bindings["guard"].policies}["strict"] == 5


def test_a_deleted_policy_that_is_written_again_is_taken_for_none() -> None:
    first = publish(BASE, by_name=True)
    second = publish(replace(BASE, valid={"lax": spec("true")}), first, by_name=True)
    state = read({**second[1], b"policy/strict": first[1][b"policy/strict"]})
    assert state.refused == {b"policy/strict": "of revision 2, and the index says none"}
    assert plan_log("risk", replace(BASE, valid={"lax": spec("true")}), state, by_name=True).tombstones == (
        b"policy/strict",
    )


@pytest.mark.parametrize("value", [pytest.param(None, id="taken-away"), pytest.param(b"{}", id="written-over")])
def test_an_index_that_is_remembered_says_what_bindings_name(value: bytes | None) -> None:
    """Else nobody would know of a deleted policy that stays for an agent which cannot have its successor yet."""
    before, records = publish(BASE, by_name=True)
    state = read(torn(records, b"index", value), before)
    assert (state.index, state.bindings, set(state.refused)) == (None, before.bindings, {b"index"})  # people are told
    plan = plan_log("risk", BASE, state, by_name=True)
    assert [record.key for record in plan.records] == ["index", "epoch"]
