"""Revisions and epochs only grow; an edit never gives an agent fewer rules than its author meant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models.policy import AgentSelector, Match, PolicySpec, Rule
from streamwarden_contract.policylog import (
    BindingRecord,
    BoundPolicyRef,
    CommandTarget,
    DecisionTopic,
    EpochRecord,
    PolicyRecord,
    SchemaRecord,
)
from streamwarden_operator.adapters.signing import KeyRing, SigningKey
from streamwarden_operator.desired.policy_log import DesiredBinding, DesiredLog
from streamwarden_operator.plans.log_plan import LogPlan, after, sign_plan
from streamwarden_operator.plans.log_state import LogState, verify_log
from streamwarden_operator.plans.policy_log import plan_log
from streamwarden_operator.ports import SignedRecord

TOPIC, CLUSTER = "risk.streamwarden.policies", "cluster-1"
KEY = SigningKey.create()
RING = KeyRing(KEY.public_key)
SCHEMA = '{"type": "object"}'


def spec(require: str = "true", **labels: str) -> PolicySpec:
    return PolicySpec(
        match=Match(agent_selector=AgentSelector(match_labels=labels)), rules=(Rule(name="r", require=require),)
    )


def binding(agent: str = "guard", *, topic_id: str = "T1", **labels: str) -> DesiredBinding:
    digest = sha256_hex(SCHEMA.encode())
    return DesiredBinding(
        namespace="risk",
        agent=agent,
        agent_uid=f"uid-{agent}",
        labels=labels,
        decisions={"block": CommandTarget(topic="risk.commands", keyed=True, schema_sha256=digest)},
        inputs=("risk.urls",),
        decision_topic=DecisionTopic(name=f"risk.{agent}.decisions", topic_id=topic_id, partitions=3),
        audit_topic="risk.streamwarden.audit",
        audit_topic_id="A1",
        dead_letter_topic="risk.streamwarden.dlq",
        schemas={digest: SCHEMA},
    )


def written(desired: DesiredLog, state: LogState | None = None) -> LogState:
    state = state or LogState()
    return after(state, plan_log("risk", desired, state))


def bound(state: LogState, agent: str = "guard") -> dict[str, int]:
    return {ref.name: ref.revision for ref in state.bindings[agent].policies}


BASE = DesiredLog(valid={"strict": spec("false"), "other": spec(team="b")}, bindings={"guard": binding(role="x")})


def test_a_new_log_gets_policies_bindings_schemas_and_an_epoch_that_closes_them() -> None:
    plan = plan_log("risk", BASE, LogState())
    assert [type(record) for record in plan.records] == [
        PolicyRecord,
        PolicyRecord,
        BindingRecord,
        SchemaRecord,
        EpochRecord,
    ]
    assert {record.epoch for record in plan.records} == {1}
    assert plan.records[-1] == EpochRecord(epoch=1, revision_counter=3)
    assert bound(after(LogState(), plan)) == {"strict": 2}


def test_a_log_without_policies_gets_its_epoch_once() -> None:
    plan = plan_log("risk", DesiredLog(), LogState())
    assert plan == LogPlan(records=(EpochRecord(epoch=1, revision_counter=0),))
    assert not plan_log("risk", DesiredLog(), after(LogState(), plan))


def test_an_unchanged_log_is_not_written() -> None:
    assert not plan_log("risk", BASE, written(BASE))


@pytest.mark.parametrize(
    ("desired", "records", "tombstones"),
    [
        pytest.param(
            replace(BASE, valid={**BASE.valid, "strict": spec("1 > 2")}),
            ["policy/strict@4", "binding/guard@5"],
            [],
            id="an-edited-policy-takes-its-bindings-along",
        ),
        pytest.param(
            replace(BASE, valid={**BASE.valid, "other": spec("1 > 2", team="b")}),
            ["policy/other@4"],
            [],
            id="a-policy-that-binds-nobody-changes-no-binding",
        ),
        pytest.param(
            replace(BASE, valid={"strict": spec("false")}),
            [],
            ["policy/other"],
            id="a-deleted-policy-gets-a-tombstone",
        ),
        pytest.param(
            replace(BASE, bindings={"guard": binding(role="x", topic_id="T2")}),
            ["binding/guard@4"],
            [],
            id="another-decision-topic-gives-a-new-binding",
        ),
        pytest.param(
            replace(BASE, bindings={}),
            [],
            ["binding/guard", f"schema/{sha256_hex(SCHEMA.encode())}"],
            id="a-deleted-agent-leaves-nothing",
        ),
        pytest.param(replace(BASE, bindings={}, unready=frozenset({"guard"})), [], [], id="an-unready-agent-keeps-all"),
    ],
)
def test_a_change_writes_only_what_changed(desired: DesiredLog, records: list[str], tombstones: list[str]) -> None:
    plan = plan_log("risk", desired, written(BASE))
    assert [
        f"{record.key}@{record.revision}" for record in plan.records if isinstance(record, PolicyRecord | BindingRecord)
    ] == records
    assert [key.decode() for key in plan.tombstones] == tombstones
    assert bool(plan) == bool(records or tombstones)
    if plan:
        assert {record.epoch for record in plan.records} == {2}


def test_a_policy_deleted_and_made_again_gets_a_higher_revision() -> None:
    first = written(BASE)
    gone = written(replace(BASE, valid={"other": BASE.valid["other"]}), first)
    again = written(BASE, gone)
    assert again.policies["strict"].revision > first.policies["strict"].revision
    assert again.policies["strict"].digest == first.policies["strict"].digest


def test_a_policy_that_no_longer_compiles_keeps_its_last_good_record() -> None:
    broken = DesiredLog(
        valid={"other": BASE.valid["other"]}, invalid={"strict": spec("nonsense(")}, bindings=BASE.bindings
    )
    plan = plan_log("risk", broken, written(BASE))
    assert not plan
    assert plan.withheld == {}


def test_a_policy_that_never_compiled_withholds_the_first_binding() -> None:
    state = written(DesiredLog(invalid={"strict": spec("nonsense(")}, bindings=BASE.bindings))
    assert state.bindings == {}


def test_a_withheld_agent_keeps_its_last_binding_and_the_deleted_policies_in_it() -> None:
    """A rename with a slip in the new policy: the strict one must not vanish."""
    first = written(replace(BASE, bindings={"guard": binding(role="x"), "free": binding("free", role="y")}))
    renamed = DesiredLog(
        valid={"loose": spec()},
        invalid={"strict-2": spec("nonsense(", role="x")},
        bindings={"guard": binding(role="x"), "free": binding("free", role="y")},
    )
    plan = plan_log("risk", renamed, first)
    state = after(first, plan)
    assert plan.withheld == {"guard": ("strict-2",)}
    assert set(bound(state)) == {"strict", "loose"}
    assert set(bound(state, "free")) == {"loose"}
    fixed = written(replace(renamed, invalid={}, valid={"loose": spec(), "strict-2": spec("false")}), state)
    assert set(bound(fixed)) == {"loose", "strict-2"}
    assert set(fixed.policies) == {"loose", "strict-2"}


def test_what_is_signed_is_believed() -> None:
    state = written(BASE)
    assert verify_log(_records(BASE), topic=TOPIC, cluster_id=CLUSTER, verifier=RING) == state


@pytest.mark.parametrize(
    ("topic", "cluster", "ring"),
    [
        pytest.param("other.streamwarden.policies", CLUSTER, RING, id="another-topic"),
        pytest.param(TOPIC, "cluster-2", RING, id="another-cluster"),
        pytest.param(TOPIC, CLUSTER, KeyRing(SigningKey.create().public_key), id="another-key"),
    ],
)
def test_a_record_signed_for_something_else_is_not_believed(topic: str, cluster: str, ring: KeyRing) -> None:
    state = verify_log(_records(BASE), topic=topic, cluster_id=cluster, verifier=ring)
    assert (state.epoch, state.policies, state.bindings) == (0, {}, {})
    assert set(state.refused.values()) == {"the signature is not ours"}


def test_forged_and_foreign_records_are_written_over() -> None:
    records = _records(BASE)
    records[b"policy/strict"] = SignedRecord(b"policy/strict", records[b"policy/other"].value)
    records[b"\xff"] = SignedRecord(b"\xff", b"?")
    state = verify_log(records, topic=TOPIC, cluster_id=CLUSTER, verifier=RING)
    plan = plan_log("risk", BASE, state)
    assert set(state.refused) == {b"policy/strict", b"\xff"}
    assert plan.tombstones == (b"\xff",)
    assert [record.key for record in plan.records] == ["policy/strict", "binding/guard", "epoch"]
    assert after(state, plan).policies["strict"].revision == 4


def test_signed_records_written_again_by_somebody_else_are_not_believed() -> None:
    """Old records have valid signatures: whoever kept them can roll the log back, and must not succeed."""
    edited = replace(BASE, valid={**BASE.valid, "strict": spec("1 > 2")})
    old, first = _records(BASE), written(BASE)
    plan = plan_log("risk", edited, first)
    known = after(first, plan)
    signed = sign_plan(plan, topic=TOPIC, cluster_id=CLUSTER, signer=KEY)
    honest = old | {record.key: record for record in signed}
    replayed = honest | {key: old[key] for key in (b"policy/strict", b"binding/guard", b"epoch")}
    state = verify_log(replayed, topic=TOPIC, cluster_id=CLUSTER, verifier=RING, known=known)
    assert set(state.refused) == {b"policy/strict", b"binding/guard", b"epoch"}
    assert (state.epoch, state.revision_counter, state.closed) == (2, 5, False)
    healed = after(state, plan_log("risk", edited, state))
    assert (healed.epoch, healed.policies["strict"].revision, healed.bindings["guard"].revision) == (3, 6, 7)


def test_a_log_that_vanished_goes_on_with_higher_epochs_and_revisions() -> None:
    state = verify_log({}, topic=TOPIC, cluster_id=CLUSTER, verifier=RING, known=written(BASE))
    healed = after(state, plan_log("risk", BASE, state))
    assert (healed.epoch, healed.policies["other"].revision) == (2, 4)


def test_what_was_verified_is_not_verified_again() -> None:
    known = verify_log(_records(BASE), topic=TOPIC, cluster_id=CLUSTER, verifier=RING)
    nobody = KeyRing()
    assert verify_log(_records(BASE), topic=TOPIC, cluster_id=CLUSTER, verifier=nobody, known=known) == known


def test_a_lost_epoch_record_is_replaced_by_a_higher_one() -> None:
    records = _records(BASE)
    del records[b"epoch"]
    state = verify_log(records, topic=TOPIC, cluster_id=CLUSTER, verifier=RING)
    assert plan_log("risk", BASE, state) == LogPlan(records=(EpochRecord(epoch=2, revision_counter=3),))


names = st.sampled_from(["a", "b", "c"])
specs = st.builds(spec, require=st.sampled_from(["true", "1 > 2"]))
agents = st.sampled_from(["guard", "exec"])
logs = st.builds(
    lambda valid, invalid, ready, unready: DesiredLog(
        valid=valid,
        invalid={name: value for name, value in invalid.items() if name not in valid},
        bindings={name: binding(name) for name in ready},
        unready=frozenset(unready - ready),
    ),
    st.dictionaries(names, specs),
    st.dictionaries(names, specs),
    st.sets(agents),
    st.sets(agents),
)


@pytest.mark.slow
@given(st.lists(logs, max_size=8))
@settings(max_examples=3 * settings().max_examples)
def test_whatever_is_asked_for_revisions_grow_and_bindings_are_complete(history: list[DesiredLog]) -> None:
    state = LogState()
    for desired in history:
        plan = plan_log("risk", desired, state)
        following = after(state, plan)
        new = [r.revision for r in plan.records if isinstance(r, PolicyRecord | BindingRecord)]
        assert following.epoch == state.epoch + bool(plan)
        assert following.revision_counter == state.revision_counter + len(new)
        assert sorted(new) == list(range(state.revision_counter + 1, following.revision_counter + 1))
        for record in following.bindings.values():
            for ref in record.policies:
                assert following.policies[ref.name].revision == ref.revision
            assert {target.schema_sha256 for target in record.decisions.values()} <= set(following.schemas)
        assert not plan_log("risk", desired, following)
        state = following


def _records(desired: DesiredLog) -> dict[bytes, SignedRecord]:
    plan = plan_log("risk", desired, LogState())
    return {record.key: record for record in sign_plan(plan, topic=TOPIC, cluster_id=CLUSTER, signer=KEY)}


# --- rules that do not check ---------------------------------------------------------------------------------------

TYPED = '{"type":"object","properties":{"amount":{"type":"integer"}}}'
AMOUNT = spec("decision.parameters.amount < 5")


def typed(agent: str, schema: str | None) -> DesiredBinding:
    digest = None if schema is None else sha256_hex(schema.encode())
    target = CommandTarget(topic="risk.commands", keyed=True, schema_sha256=digest)
    schemas = {} if digest is None or schema is None else {digest: schema}
    return replace(binding(agent), decisions={"block": target}, schemas=schemas)


def test_x01_a_binding_names_the_policies_that_do_not_check_for_a_type() -> None:
    agents = {"guard": typed("guard", TYPED), "free": typed("free", None)}
    state = written(DesiredLog(valid={"p": AMOUNT}, bindings=agents))
    assert state.bindings["guard"].not_applicable == {}
    assert state.bindings["free"].not_applicable == {"block": ("p",)}
    assert bound(state, "free") == {"p": 1}


def test_x01_once_the_contract_says_more_the_policy_is_applicable() -> None:
    state = written(DesiredLog(valid={"p": AMOUNT}, bindings={"free": typed("free", None)}))
    revision = state.bindings["free"].revision
    state = written(DesiredLog(valid={"p": AMOUNT}, bindings={"free": typed("free", TYPED)}), state)
    assert (state.bindings["free"].not_applicable, state.bindings["free"].revision) == ({}, revision + 1)


def test_an_audit_policy_that_does_not_check_is_named_too() -> None:
    audit = AMOUNT.model_copy(update={"failure_action": "Audit"})
    state = written(DesiredLog(valid={"p": AMOUNT, "q": audit}, bindings={"free": typed("free", None)}))
    assert state.bindings["free"].not_applicable == {"block": ("p", "q")}


def test_what_judged_by_these_rules_and_this_schema_goes_on_judging() -> None:
    desired = DesiredLog(valid={"p": AMOUNT}, bindings={"free": typed("free", None)})
    state = written(desired)
    before = {
        "free": state.bindings["free"].model_copy(update={"not_applicable": {}})
    }  # as an earlier version wrote it
    state = replace(state, bindings=before)
    assert not plan_log("risk", desired, state)
    edited = spec("decision.parameters.amount < 6")
    state = written(DesiredLog(valid={"p": edited}, bindings=desired.bindings), state)
    assert state.bindings["free"].not_applicable == {"block": ("p",)}


def test_a_type_that_comes_to_an_agent_is_none_that_judged_before() -> None:
    desired = DesiredLog(valid={"p": AMOUNT}, bindings={"free": typed("free", None)})
    state = written(desired)
    state = replace(state, bindings={"free": state.bindings["free"].model_copy(update={"not_applicable": {}})})
    more = {**desired.bindings["free"].decisions, "allow": CommandTarget(topic="risk.commands", keyed=True)}
    state = written(replace(desired, bindings={"free": replace(desired.bindings["free"], decisions=more)}), state)
    assert state.bindings["free"].not_applicable == {"allow": ("p",)}


def test_a_binding_that_is_kept_is_checked_as_well() -> None:
    desired = DesiredLog(valid={"p": AMOUNT}, bindings={"free": typed("free", None)})
    state = written(desired)
    edited = spec("decision.parameters.amount < 6")
    state = written(DesiredLog(valid={"p": edited}, unready=frozenset({"free"})), state)
    assert state.bindings["free"].not_applicable == {"block": ("p",)}


@pytest.mark.parametrize("agents", [3, 30])
def test_however_many_agents_are_bound_a_policy_is_put_together_for_them_once(
    monkeypatch: pytest.MonkeyPatch, agents: int
) -> None:
    policies = {"strict": spec(), "watch": spec(role="x"), "other": spec(role="y")}
    bindings = {f"a{number}": binding(f"a{number}", role="x") for number in range(agents)}
    state = written(DesiredLog(valid=policies, bindings=bindings))
    made: list[str] = []
    copied: list[str] = []

    def put_together(**said: Any) -> BoundPolicyRef:
        made.append(said["name"])
        return BoundPolicyRef(**said)

    copy = BindingRecord.model_copy

    def copied_too(own: BindingRecord, **how: Any) -> BindingRecord:
        copied.append(own.agent)
        return copy(own, **how)

    monkeypatch.setattr("streamwarden_operator.plans.policy_log.BoundPolicyRef", put_together)
    monkeypatch.setattr(BindingRecord, "model_copy", copied_too)
    plan = plan_log("risk", DesiredLog(valid=policies, bindings={**bindings, "new": binding("new", role="x")}), state)

    assert [record.key for record in plan.records] == ["binding/new", "epoch"]
    assert made == ["other", "strict", "watch"]
    assert set(copied) == {"new"}
