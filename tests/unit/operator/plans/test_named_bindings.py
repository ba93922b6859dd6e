"""A log whose bindings name policies, and whose index says what those are: an edit is three records."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from streamwarden_contract.policylog import EpochRecord, IndexRecord, PolicyRecord, decode_record
from streamwarden_operator.adapters.signing import KeyRing, SigningKey
from streamwarden_operator.desired.policy_log import DesiredLog
from streamwarden_operator.plans.log_plan import after, sign_plan, with_signed_anew
from streamwarden_operator.plans.log_state import LogState, verify_log
from streamwarden_operator.plans.older_gates import plan_for_gates
from streamwarden_operator.plans.policy_log import plan_log
from streamwarden_operator.ports import SignedRecord
from support.older_gates import binding, gate, spec

TOPIC, CLUSTER = "risk.streamwarden.policies", "cluster-1"
KEY, LATER_KEY = SigningKey.create(), SigningKey.create()
RING = KeyRing(KEY.public_key, LATER_KEY.public_key)
NEW, OLD = gate("new", 3), gate("old", 2, "clerk")
MANY = DesiredLog(
    valid={"strict": spec(), "other": spec(team="b")},
    bindings={f"agent-{number:04}": binding(f"agent-{number:04}") for number in range(1_000)},
)
FEW = replace(MANY, bindings={"guard": binding(), "clerk": binding("clerk", team="b")})
EDITED = replace(FEW, valid={**FEW.valid, "strict": spec("1 > 2")})
REFUSED = replace(EDITED, valid={"other": FEW.valid["other"]}, invalid={"strict": spec("1 > 3")})

Log = tuple[LogState, dict[bytes, SignedRecord]]


def publish(desired: DesiredLog, log: Log | None = None, *, by_name: bool = True, key: SigningKey = KEY) -> Log:
    """Publish what differs; returns the state, and the topic as compaction leaves it."""
    state, records = log or (LogState(), {})
    plan = with_signed_anew(plan_log("risk", desired, state, by_name=by_name), state, key.key_id)
    signed = sign_plan(plan, topic=TOPIC, cluster_id=CLUSTER, signer=key)
    kept = {each.key: each for each in (*records.values(), *signed)}
    return after(state, plan, signed), {name: each for name, each in kept.items() if each.value is not None}


def read(records: dict[bytes, SignedRecord], known: LogState | None = None) -> LogState:
    return verify_log(records, topic=TOPIC, cluster_id=CLUSTER, verifier=RING, known=known)


def revisions(state: LogState) -> dict[str, dict[str, int]]:
    return {name: {ref.name: ref.revision for ref in each.policies} for name, each in state.bindings.items()}


def test_x86_an_edit_of_a_policy_that_binds_a_thousand_agents_is_three_records() -> None:
    state, _ = publish(MANY)
    edited = replace(MANY, valid={**MANY.valid, "strict": spec("1 > 2")})
    plan = plan_log("risk", edited, state, by_name=True)
    assert [type(record) for record in plan.records] == [PolicyRecord, IndexRecord, EpochRecord]
    policy, index, closing = plan.records
    assert isinstance(policy, PolicyRecord)
    assert isinstance(index, IndexRecord)
    assert isinstance(closing, EpochRecord)
    assert (index.policies["strict"].revision, index.policies["strict"].digest) == (policy.revision, policy.digest)
    assert (closing.format, closing.index_revision, closing.revision_counter) == (3, index.revision, index.revision)
    now = after(state, plan)
    assert {refs["strict"] for refs in revisions(now).values()} == {policy.revision}
    assert not plan_log("risk", edited, now, by_name=True)


def test_what_was_written_reads_back_as_it_is_known_here_also_to_who_knows_nothing() -> None:
    log = publish(EDITED, publish(FEW))
    assert read(log[1]) == log[0]
    assert read(log[1], log[0]) == log[0]
    assert revisions(log[0]) == {"guard": {"strict": 6}, "clerk": {"other": 1, "strict": 6}}


def test_a_binding_is_written_anew_where_it_names_another_policy_and_only_then() -> None:
    state, _ = publish(FEW)
    moved = replace(FEW, bindings={**FEW.bindings, "guard": binding(team="b")})
    assert [record.key for record in plan_log("risk", moved, state, by_name=True).records] == [
        "binding/guard",
        "index",
        "epoch",
    ]


def test_a_log_of_before_is_written_by_name_once_and_back_again_where_a_gate_comes_that_does_not_read_it() -> None:
    state, _ = publish(FEW, by_name=False)
    named, _ = plan_for_gates("risk", FEW, state, [NEW])
    assert [record.key for record in named.records] == ["binding/clerk", "binding/guard", "index", "epoch"]
    now = after(state, named)
    assert not plan_for_gates("risk", FEW, now, [NEW])[0]
    back, _ = plan_for_gates("risk", FEW, now, [NEW, OLD])
    assert [record.key for record in back.records] == ["binding/clerk", "binding/guard", "epoch"]
    assert back.tombstones == (b"index",)
    assert {record.format for record in back.records} == {1}
    assert after(now, back).index is None
    for record in back.records:
        assert decode_record(record.key.encode(), record.encode()) == record


def test_an_edit_that_comes_with_an_older_gate_is_what_the_bindings_say_then() -> None:
    state, _ = publish(FEW)
    plan, _ = plan_for_gates("risk", EDITED, state, [NEW, OLD])
    now = after(state, plan)
    assert now.policies["strict"].spec == EDITED.valid["strict"]
    assert {refs["strict"] for refs in revisions(now).values()} == {now.policies["strict"].revision}


@pytest.mark.parametrize(
    "acks",
    [
        pytest.param(None, id="not-all-acks-are-read"),
        pytest.param([], id="no-gate-runs"),
        pytest.param([gate("old", 2, state="Stopped")], id="the-older-one-has-stopped"),
    ],
)
def test_while_no_gate_says_what_it_reads_a_log_stays_as_it_is(acks: list[object] | None) -> None:
    for by_name in (True, False):
        state, _ = publish(FEW, by_name=by_name)
        plan, _ = plan_for_gates("risk", EDITED, state, acks)  # type: ignore[arg-type]  # of gates
        assert (after(state, plan).index is not None) is by_name


def test_an_earlier_index_that_is_written_again_with_an_earlier_policy_is_refused_and_put_right() -> None:
    first = publish(FEW)
    second = publish(EDITED, first)
    replayed = {**second[1], b"index": first[1][b"index"], b"policy/strict": first[1][b"policy/strict"]}
    state = read(replayed)
    assert state.refused[b"index"] == "of revision 5, and the epoch closed 7"
    assert (state.index, dict(state.bindings)) == (None, {})
    mended = publish(EDITED, (state, replayed))
    assert read(mended[1]) == mended[0]
    assert mended[0].policies["strict"].spec == EDITED.valid["strict"]


def test_an_index_that_is_taken_away_is_written_again_and_binds_everybody_as_before() -> None:
    log = publish(FEW)
    torn = {key: record for key, record in log[1].items() if key != b"index"}
    state = read(torn)
    assert {key: why.removeprefix(f"{key.decode()}: ") for key, why in state.refused.items()} == {
        b"index": "it was taken away, and the epoch closed one of revision 5",
        b"policy/other": "of revision 1, and the index is gone",
        b"policy/strict": "of revision 2, and the index is gone",
        b"binding/clerk": "the log's index has no policy other, strict",
        b"binding/guard": "the log's index has no policy strict",
    }
    mended = publish(FEW, (state, torn))
    assert read(mended[1]) == mended[0]
    assert {name: set(refs) for name, refs in revisions(mended[0]).items()} == {
        "clerk": {"other", "strict"},
        "guard": {"strict"},
    }


@pytest.mark.parametrize(
    ("again", "why"),
    [
        pytest.param(("policy/strict",), "the index says 6", id="a-policy-is-written-again"),
        pytest.param(("index", "policy/strict"), "the index is gone", id="with-its-index"),
        pytest.param(("policy/strict", "-index"), "the index is gone", id="and-the-index-taken-away"),
    ],
)
def test_an_earlier_policy_is_no_last_good_one_of_an_edit_that_is_refused(again: tuple[str, ...], why: str) -> None:
    """What a new process reads was all signed once; the spec of now is refused, so nothing is written in its place."""
    first = publish(FEW)
    records = {**(second := publish(EDITED, first))[1], **{key.encode(): first[1].get(key.encode()) for key in again}}
    left = {key: record for key, record in records.items() if record and not (key == b"index" and "-index" in again)}
    state = read(left)
    assert state.refused[b"policy/strict"] == f"of revision 2, and {why}"
    now = after(state, plan_log("risk", REFUSED, state, by_name=True))
    assert "strict" not in now.policies
    mended = after(now, plan_log("risk", EDITED, now, by_name=True))
    assert mended.policies["strict"].spec == EDITED.valid["strict"]
    assert mended.policies["strict"].revision > second[0].policies["strict"].revision
    assert revisions(mended)["guard"] == {"strict": mended.policies["strict"].revision}


def test_an_earlier_binding_that_is_written_again_is_refused_by_who_starts_and_put_right() -> None:
    first = publish(FEW)
    moved = replace(FEW, bindings={**FEW.bindings, "guard": binding(team="b")})
    second = publish(moved, first)
    replayed = {**second[1], b"binding/guard": first[1][b"binding/guard"]}
    state = read(replayed)
    assert state.refused == {b"binding/guard": "binding/guard: the log's index has not its revision 4"}
    mended = publish(moved, (state, replayed))
    assert read(mended[1]) == mended[0]
    assert set(revisions(mended[0])["guard"]) == {"other", "strict"}


def test_a_binding_is_written_anew_where_one_more_policy_selects_its_agent_or_one_less() -> None:
    state, _ = publish(FEW)
    more = replace(FEW, valid={**FEW.valid, "third": spec()})
    for desired, named in ((more, {"strict", "third"}), (FEW, {"strict"})):
        plan = plan_log("risk", desired, state, by_name=True)
        assert {"binding/clerk", "binding/guard"} <= {record.key for record in plan.records}
        state = after(state, plan)
        assert set(revisions(state)["guard"]) == named


def test_of_what_another_process_has_published_since_the_index_counts_that_is_there_now() -> None:
    first = publish(FEW)
    second = publish(EDITED, first)
    assert read(second[1], first[0]) == second[0]


@pytest.mark.parametrize("left", [b"index", b"binding/guard"], ids=lambda left: left.decode())
def test_no_revision_is_given_twice_where_the_record_that_counts_them_is_gone(left: bytes) -> None:
    records = publish(FEW)[1]
    numbers = {
        name: json.loads(record.value or b"")["revision"] for name, record in records.items() if name != b"epoch"
    }
    assert read({left: records[left]}).revision_counter == numbers[left]


def test_x83_another_key_signs_the_whole_log_anew_with_its_index() -> None:
    log = publish(FEW)
    turned = publish(FEW, log, key=LATER_KEY)
    state = read(turned[1])
    assert {dict(record.headers)["sw-key-id"] for record in turned[1].values()} == {LATER_KEY.key_id.encode()}
    assert state == turned[0]
    assert revisions(state) == revisions(log[0])
    assert not plan_log("risk", FEW, state, by_name=True)


def test_with_the_last_agent_the_index_is_taken_away_and_an_agent_that_is_not_ready_keeps_it() -> None:
    state, _ = publish(FEW)
    waiting = replace(FEW, bindings={}, unready=frozenset({"guard"}), labels={"guard": {}})
    kept = after(state, plan_for_gates("risk", waiting, state, None)[0])
    assert (set(kept.bindings), kept.index is not None) == ({"guard"}, True)
    for acks in (None, [], [NEW]):
        gone, _ = plan_for_gates("risk", replace(FEW, bindings={}), state, acks)
        assert set(gone.tombstones) == {b"binding/clerk", b"binding/guard", b"index"}
        assert not plan_for_gates("risk", replace(FEW, bindings={}), after(state, gone), acks)[0]


def test_without_agents_there_is_no_index() -> None:
    plan, _ = plan_for_gates("risk", DesiredLog(valid={"strict": spec()}), LogState(), [NEW])
    assert [(record.key, record.format) for record in plan.records] == [("policy/strict", 1), ("epoch", 1)]
