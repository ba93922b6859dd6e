"""A log that was restored from an older copy, and a gate that runs all the while: it has seen later revisions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.names import InstallationNames
from streamwarden_contract.policylog import CommandTarget, EpochRecord
from streamwarden_gate.snapshot import Identity, Snapshot
from streamwarden_kafka.records import TopicFacts
from streamwarden_operator.adapters.signing import KeyRing, SigningKey
from streamwarden_operator.desired.policy_log import DesiredLog
from streamwarden_operator.plans.log_plan import LogPlan, after, sign_plan
from streamwarden_operator.plans.log_state import LogState, go_on_above, verify_log
from streamwarden_operator.plans.policy_log import plan_log
from support.older_gates import SKIP, binding, spec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamwarden_gate.active import ActiveSet
    from streamwarden_operator.ports import SignedRecord

TOPIC, CLUSTER, KEY = "risk.streamwarden.policies", "cluster-1", SigningKey.create()
RING = KeyRing(KEY.public_key)
FACTS = {"risk.guard.decisions": TopicFacts("T1", 3), "risk.streamwarden.audit": TopicFacts("A1", 1)}
SCHEMA = '{"type":"object"}'
TARGET = CommandTarget(topic="risk.commands", keyed=True, schema_sha256=sha256_hex(SCHEMA.encode()))
TYPED = replace(binding(), decisions={"block": TARGET}, schemas={sha256_hex(SCHEMA.encode()): SCHEMA})
WANTED = DesiredLog(valid={"strict": spec(), "other": spec("1 > 0")}, bindings={"guard": TYPED})
MEANWHILE = {
    "a-policy-was-edited-and-edited-back": replace(WANTED, valid={**WANTED.valid, "strict": spec("1 > 2")}),
    "something-was-skipped": replace(WANTED, bindings={"guard": replace(TYPED, skips=(SKIP,))}),
    "a-schema-was-another": replace(WANTED, bindings={"guard": binding()}),
    "a-policy-was-deleted-and-made-again": replace(WANTED, valid={"strict": spec()}),
}


def signed(plan: LogPlan, topic: str = TOPIC) -> tuple[SignedRecord, ...]:
    return sign_plan(plan, topic=topic, cluster_id=CLUSTER, signer=KEY)


class Gate:
    """Reads what is on the log from its beginning, as where its place is behind the end, or the topic another one."""

    def __init__(self) -> None:
        self.active: ActiveSet | None = None
        self.begin()

    def begin(self) -> None:
        self._snapshot = Snapshot(Identity("risk", "guard", "uid-guard", "pod-0"), cluster_id=CLUSTER, keys=RING)
        guardrails = InstallationNames().guardrails
        self.feed(signed(LogPlan((EpochRecord(epoch=1, revision_counter=0),)), guardrails), guardrails)

    def feed(self, records: Iterable[SignedRecord], topic: str = TOPIC) -> None:
        for each in records:
            self._snapshot.feed(topic, each.key, each.value, list(each.headers))

    def build(self) -> list[tuple[str, int]]:
        """Return the policies that are in force, with their revisions."""
        self.active = self._snapshot.build(FACTS, self.active)
        return sorted((ref.name, ref.revision) for ref in self.active.refs)


@pytest.mark.parametrize("is_another_topic", [False, True], ids=["the-same-topic", "another-topic"])
@pytest.mark.parametrize("by_name", [False, True], ids=["without-index", "with-index"])
@pytest.mark.parametrize("meanwhile", MEANWHILE.values(), ids=MEANWHILE)
def test_x83_a_gate_that_has_seen_more_than_a_restored_log_takes_what_the_operator_goes_on_with(
    meanwhile: DesiredLog, *, by_name: bool, is_another_topic: bool
) -> None:
    gate = Gate()
    copy = signed(first := plan_log("risk", WANTED, LogState(), by_name=by_name))
    gate.feed(copy)
    gate.build()
    state = after(LogState(), first)
    for desired in (meanwhile, WANTED):
        plan = plan_log("risk", desired, state, by_name=by_name)
        gate.feed(signed(plan))
        gate.build()
        state = after(state, plan)

    seen = EpochRecord(epoch=state.epoch, revision_counter=state.revision_counter)
    restored = verify_log({each.key: each for each in copy}, topic=TOPIC, cluster_id=CLUSTER, verifier=RING)
    restored = go_on_above(restored, [seen])
    plan = plan_log("risk", WANTED, restored, by_name=by_name)
    if is_another_topic:
        gate.begin()
    gate.feed((*copy, *signed(plan)))
    now = after(restored, plan)
    assert gate.build() == sorted((name, record.revision) for name, record in now.policies.items())
    assert gate.active is not None
    assert (gate.active.namespace_epoch, gate.active.binding) == (now.epoch, now.bindings["guard"])
    assert min(record.revision for record in now.policies.values()) > seen.revision_counter
    assert not plan_log("risk", WANTED, now, by_name=by_name), "there is nothing more to say"


def test_x83_of_a_restored_log_what_is_wanted_no_more_is_taken_away_and_each_key_is_written_once() -> None:
    state = go_on_above(after(LogState(), plan_log("risk", WANTED, LogState())), [], epoch=7)
    edited = replace(WANTED, valid={"strict": spec("1 > 2")})
    plan = plan_log("risk", edited, state)
    keys = [record.key for record in plan.records]
    assert sorted(keys) == sorted({*keys})
    assert plan.tombstones == (b"policy/other",)
    now = after(state, plan)
    assert {name: record.spec for name, record in now.policies.items()} == edited.valid
    assert [ref.name for ref in now.bindings["guard"].policies] == ["strict"]
