"""What running gates could not read waits, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from streamwarden_contract.policylog import BindingRecord, CommandTarget, PolicyRecord
from streamwarden_operator.desired.held_back import HeldBack, TooNew
from streamwarden_operator.desired.policy_log import DesiredLog
from streamwarden_operator.plans.log_plan import after
from streamwarden_operator.plans.older_gates import plan_for_gates
from streamwarden_operator.plans.policy_log import plan_log
from support.older_gates import (
    AGENTS,
    BASE,
    GATES,
    LOGS,
    MOST,
    MOVED,
    NEW,
    OF_CLERK,
    OLD,
    SKIP,
    TIGHTER,
    WIDER,
    WITH_DATA,
    binding,
    gate,
    spec,
    written,
)

if TYPE_CHECKING:
    from streamwarden_contract.acks import GateAck

TAGS = '{"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}}}'


@pytest.mark.parametrize(
    ("acks", "waits_for"),
    [
        pytest.param((), None, id="no-gate-runs"),
        pytest.param((gate("new", 2, "clerk"),), None, id="the-gate-can-read-it"),
        pytest.param((OLD,), None, id="an-older-gate-of-an-agent-that-it-does-not-bind"),
        pytest.param((gate("old", None, "clerk", state="Stopped"),), None, id="an-older-gate-that-has-ended"),
        pytest.param((gate("old", None, "clerk", agent_uid="uid-of-another"),), None, id="a-gate-of-an-earlier-agent"),
        pytest.param((gate("old", None, "clerk"), gate("new", 2, "clerk")), ("clerk/old",), id="one-gate-is-older"),
        pytest.param((gate("b", 1, "clerk"), gate("a", 1, "clerk")), ("clerk/a", "clerk/b"), id="it-says-that-it-is"),
        pytest.param(None, (), id="not-all-gates-are-known"),
    ],
)
def test_m09_a_revision_waits_while_a_gate_runs_that_it_binds_and_that_could_not_read_it(
    acks: tuple[GateAck, ...] | None, waits_for: tuple[str, ...] | None
) -> None:
    plan, held = plan_for_gates("risk", WITH_DATA, written(), acks)
    if waits_for is None:
        assert held == HeldBack()
        assert [(record.key, record.format) for record in plan.records] == [
            ("policy/other", 2),
            ("binding/clerk", 1),
            ("epoch", 1),
        ]
    else:
        why = TooNew(MOST, waits_for)
        assert held == HeldBack(policies={"other": why}, agents={"clerk": why})
        assert not plan, "what is in force stays, byte for byte"


def test_what_says_nothing_new_waits_for_nobody() -> None:
    edited = replace(WITH_DATA, valid={**WITH_DATA.valid, "strict": spec("1 < 2")})
    plan, held = plan_for_gates("risk", edited, written(), [gate("old", None, "clerk"), OLD])
    assert list(held.policies) == ["other"]
    assert [record.key for record in plan.records] == ["policy/strict", "binding/clerk", "binding/guard", "epoch"]
    assert {record.format for record in plan.records} == {1}


def test_a_new_policy_that_waits_keeps_those_that_it_would_bind_from_a_new_binding() -> None:
    desired = replace(
        BASE,
        valid={**BASE.valid, "third": spec(params={"most": 3})},
        bindings={**BASE.bindings, "newcomer": binding("newcomer")},
    )
    state = written()
    plan, held = plan_for_gates("risk", desired, state, [OLD])
    why = TooNew(MOST, ("guard/old",))
    assert held == HeldBack(policies={"third": why}, agents={"guard": why})
    assert plan.withheld == dict.fromkeys(("clerk", "guard", "newcomer"), ("third",))
    assert after(state, plan).bindings == state.bindings
    assert held.of_agent("newcomer", ["third"]) == why


def test_a_policy_with_data_that_binds_nobody_waits_for_nobody() -> None:
    desired = replace(BASE, valid={**BASE.valid, "third": spec(params={"most": 3}, team="nobody")})
    _, held = plan_for_gates("risk", desired, written(), None)
    assert not held


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"skips": (SKIP,)}, "skips", id="something-to-skip"),
        pytest.param(
            {"decisions": {"block": CommandTarget(topic="risk.commands", keyed=True, expires_after_ms=5_000)}},
            "expires_after_ms",
            id="an-expiry-of-its-own",
        ),
    ],
)
def test_m09_a_binding_waits_as_a_whole_and_its_policies_do_not(change: dict[str, object], field: str) -> None:
    desired = replace(
        BASE,
        valid={**BASE.valid, "strict": spec("1 < 2")},
        bindings={**BASE.bindings, "guard": replace(binding(), **change)},  # type: ignore[arg-type]  # by name
    )
    state = written()
    plan, held = plan_for_gates("risk", desired, state, [OLD])
    why = TooNew((field,), ("guard/old",))
    assert held == HeldBack(bindings={"guard": why}, agents={"guard": why})
    now = after(state, plan)
    assert (now.bindings["guard"].skips, now.bindings["guard"].decisions) == ((), state.bindings["guard"].decisions)
    [ref] = now.bindings["guard"].policies
    assert ref.revision == now.policies["strict"].revision > state.policies["strict"].revision
    later, none = plan_for_gates("risk", desired, now, [NEW])
    assert not none
    assert [(record.key, record.format) for record in later.records] == [("binding/guard", 2), ("epoch", 1)]


def test_m09_a_policy_waits_that_would_not_be_applicable_where_an_older_gate_runs() -> None:
    reads_tags = spec("'a' in decision.parameters.tags")
    tagged = replace(
        binding(),
        decisions={
            "block": CommandTarget(topic="risk.commands", keyed=True, schema_sha256="a" * 64),
            "note": CommandTarget(topic="risk.notes", keyed=True),
        },
        schemas={"a" * 64: TAGS},
    )
    before = DesiredLog(valid={"strict": spec()}, bindings={"guard": tagged})
    state = written(before)
    edited = replace(before, valid={"strict": reads_tags})
    plan, held = plan_for_gates("risk", edited, state, [OLD])
    why = TooNew(("not_applicable",), ("guard/old",))
    assert held == HeldBack(policies={"strict": why}, agents={"guard": why})
    assert not plan
    plan, held = plan_for_gates("risk", edited, state, [NEW])
    assert not held
    assert after(state, plan).bindings["guard"].not_applicable == {"note": ("strict",)}


def test_what_is_on_the_log_already_waits_for_nobody() -> None:
    state = written(WITH_DATA)
    again = replace(BASE, valid={**BASE.valid, "other": spec("params.most > 2", {"most": 3}, team="b")})
    plan, held = plan_for_gates("risk", again, state, [gate("old", None, "clerk")])
    assert not held
    assert next(record.key for record in plan.records) == "policy/other"
    assert not plan_for_gates("risk", WITH_DATA, state, [gate("old", None, "clerk")])[0]


@pytest.mark.parametrize(
    ("desired", "policies", "bindings", "published"),
    [
        pytest.param(MOVED, set(), {"guard"}, [], id="its-labels-are-others"),
        pytest.param(WIDER, {"other"}, set(), [], id="the-selector-is-wider"),
        pytest.param(
            replace(MOVED, valid=TIGHTER),
            set(),
            {"guard"},
            ["policy/other", "binding/clerk", "epoch"],
            id="its-labels-are-others-and-an-edit-reaches-those-that-can-read-it",
        ),
        pytest.param(
            replace(MOVED, valid=WIDER.valid), {"other"}, {"guard"}, [], id="both-and-neither-lets-the-other-through"
        ),
    ],
)
@pytest.mark.parametrize("acks", [pytest.param(OF_CLERK, id="older"), pytest.param(None, id="not-all-known")])
def test_m09_a_policy_that_is_on_the_log_already_binds_no_older_gate_anew(
    desired: DesiredLog,
    policies: set[str],
    bindings: set[str],
    published: list[str],
    acks: tuple[GateAck, ...] | None,
) -> None:
    state = written(WITH_DATA)
    plan, held = plan_for_gates("risk", desired, state, acks)
    why = TooNew(MOST, () if acks is None else ("guard/old",))
    assert held.policies == dict.fromkeys(policies, why)
    assert held.bindings == dict.fromkeys(bindings, why)
    assert held.agents == {"guard": why}
    assert [record.key for record in plan.records] == published
    assert after(state, plan).bindings["guard"] == state.bindings["guard"]
    plan, held = plan_for_gates("risk", desired, state, [gate("new", 2), gate("new", 2, "clerk")])
    assert not held
    assert "other" in _named(after(state, plan).bindings["guard"])


def test_a_record_that_an_earlier_build_wrote_with_newer_fields_is_not_written_again() -> None:
    desired = replace(WITH_DATA, bindings={"guard": replace(binding(), skips=(SKIP,))})
    state = written(desired)
    earlier = replace(
        state,
        policies={name: record.model_copy(update={"format": 1}) for name, record in state.policies.items()},
        bindings={name: record.model_copy(update={"format": 1}) for name, record in state.bindings.items()},
    )
    assert isinstance(earlier.policies["other"], PolicyRecord)
    assert (state.policies["other"].format, state.bindings["guard"].format) == (2, 2)
    assert not plan_log("risk", desired, earlier)


@pytest.mark.slow
@given(first=LOGS, then=LOGS, gates=st.none() | GATES)
@example(first=WITH_DATA, then=MOVED, gates=list(OF_CLERK))
@example(first=WITH_DATA, then=WIDER, gates=list(OF_CLERK))
def test_no_gate_gets_what_it_cannot_read_and_all_of_it_comes_once_they_are_new(
    first: DesiredLog, then: DesiredLog, gates: list[GateAck] | None
) -> None:
    state = written(first)
    plan, held = plan_for_gates("risk", then, state, gates)
    now = after(state, plan)
    for record in plan.records:
        match record:
            case PolicyRecord():
                known: PolicyRecord | BindingRecord | None = state.policies.get(record.name)
                readers = {each.agent for each in now.bindings.values() if record.name in _named(each)}
            case BindingRecord():
                known, readers = state.bindings.get(record.agent), {record.agent}
            case _:
                continue
        if record.format == 2 and (known is None or known.format == 1):
            assert gates is not None or not readers
            assert [ack for ack in gates or () if ack.agent in readers and ack.reads.policy_log < 2] == []
    for each in now.bindings.values():
        before = _named(state.bindings[each.agent]) if each.agent in state.bindings else set()
        if any(now.policies[name].format == 2 for name in _named(each) - before):
            assert gates is not None, "nobody is bound to what perhaps its gates cannot read"
            assert [ack for ack in gates if ack.agent == each.agent and ack.reads.policy_log < 2] == []
        assert {(ref.name, ref.revision) for ref in each.policies} == {
            (name, record.revision) for name, record in now.policies.items() if name in _named(each)
        }, "a binding names what is on the log"
    assert not plan_for_gates("risk", then, now, gates)[0], "there is nothing more to say"
    if now.index is not None:
        assert gates
        assert [ack for ack in gates if ack.reads.policy_log < 3] == [], "all of a namespace read what names policies"
    newest = 2 if now.index is None else 3
    last, none = plan_for_gates("risk", then, now, [gate("1", newest, agent) for agent in AGENTS])
    assert not none
    everything = after(now, last)
    assert {name: record.spec for name, record in everything.policies.items()} == dict(then.valid)
    assert all(wanted.describes(everything.bindings[agent]) for agent, wanted in then.bindings.items())
    assert bool(last) == bool(held), "what comes now is what was held back"


def _named(record: BindingRecord) -> set[str]:
    return {ref.name for ref in record.policies}


@pytest.mark.parametrize(
    ("why", "words"),
    [
        pytest.param(
            TooNew(("not_applicable", "skips"), ("a/1",)),
            "held back: gates of an earlier version would refuse all their policies for a policy that is not "
            "applicable to a decision type, skips: a/1. It is published once none of them runs: give their agents a "
            "newer image",
            id="a-gate",
        ),
        pytest.param(
            TooNew(("params",), tuple("abcdef")),
            "held back: gates of an earlier version would refuse all their policies for params: a, b, c, d and 2 more. "
            "It is published once none of them runs: give their agents a newer image",
            id="many",
        ),
        pytest.param(
            TooNew(("params",), ()),
            "waits until it is known which formats of the policy log the running gates read",
            id="nobody-knows",
        ),
    ],
)
def test_what_is_said_names_the_pods_and_what_to_do(why: TooNew, words: str) -> None:
    assert str(why) == words
