"""What was deleted and is made again, and logs that have come through several edits: no older gate gets more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract.models.policy import Match
from streamwarden_contract.policylog import CommandTarget, format_needed
from streamwarden_operator.desired.held_back import HeldBack, TooNew
from streamwarden_operator.plans.log_plan import after
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.older_gates import plan_for_gates
from streamwarden_operator.plans.policy_log import plan_log
from support.older_gates import BASE, GATES, LOGS, MOST, OF_CLERK, SKIP, WIDER, WITH_DATA, binding, gate, spec, written

if TYPE_CHECKING:
    from streamwarden_contract.acks import GateAck
    from streamwarden_contract.models.policy import PolicySpec
    from streamwarden_operator.desired.policy_log import DesiredLog

DELETED = replace(BASE, valid={"strict": spec()}, invalid={"slip": spec(team="b")})
"""Without a policy, which stays on the log all the same: by a slip another one keeps an agent to its last binding."""


@pytest.mark.parametrize(
    ("again", "policies", "bindings"),
    [
        pytest.param({**DELETED.invalid, "other": WIDER.valid["other"]}, set(), {"guard"}, id="and-is-refused"),
        pytest.param(
            {**DELETED.invalid, "other": WITH_DATA.valid["other"]}, set(), {"guard"}, id="for-others-and-is-refused"
        ),
        pytest.param(WIDER.valid, set(), {"guard"}, id="as-it-was"),
        pytest.param({**BASE.valid, "other": spec("params.most > 1", {"most": 2})}, {"other"}, {"guard"}, id="changed"),
    ],
)
@pytest.mark.parametrize("acks", [pytest.param(OF_CLERK, id="older"), pytest.param(None, id="not-all-known")])
def test_m09_a_policy_that_is_deleted_and_made_again_binds_no_older_gate(
    again: dict[str, PolicySpec], policies: set[str], bindings: set[str], acks: tuple[GateAck, ...] | None
) -> None:
    state = written(WIDER)
    state = after(state, plan_log("risk", DELETED, state))
    assert {agent: each.policy_names for agent, each in state.bindings.items()} == {
        "clerk": {"other", "strict"},
        "guard": {"strict"},
    }
    is_refused = "slip" in again
    desired = replace(DELETED, invalid=again) if is_refused else replace(BASE, valid=again)
    plan, held = plan_for_gates("risk", desired, state, acks)
    why = TooNew(MOST, () if acks is None else ("guard/old",))
    assert held.policies == dict.fromkeys(policies, why)
    assert held.bindings == dict.fromkeys(bindings, why)
    assert held.agents == {"guard": why}
    now = after(state, plan)
    assert now.bindings["guard"] == state.bindings["guard"]
    assert not plan_for_gates("risk", desired, now, acks)[0], "there is nothing more to say"
    plan, held = plan_for_gates("risk", desired, now, [gate("new", 2), gate("new", 2, "clerk")])
    assert not held
    assert "other" in after(now, plan).bindings["guard"].policy_names


def test_an_agent_that_waits_for_what_stands_on_the_log_keeps_what_its_author_put_in_its_place() -> None:
    state = written(WIDER)
    state = after(state, plan_log("risk", DELETED, state))
    renamed = replace(WIDER, valid={name: each for name, each in WIDER.valid.items() if name != "strict"})
    plan, held = plan_for_gates("risk", renamed, state, OF_CLERK)
    assert list(held.bindings) == ["guard"]
    assert "strict" in after(state, plan).policies, "else it had neither of the two"
    assert after(state, plan).bindings["guard"] == state.bindings["guard"]


@pytest.mark.parametrize(
    ("labels", "held_for", "stays"),
    [
        pytest.param({"team": "b"}, {}, True, id="it-would-come-under-a-policy-that-its-gates-cannot-read"),
        pytest.param({"team": "c"}, {"skips": (SKIP,)}, True, id="it-would-come-under-another-policy"),
        pytest.param({"team": "a"}, {"skips": (SKIP,)}, False, id="its-labels-stay-and-a-policy-is-deleted"),
    ],
)
def test_an_agent_whose_new_labels_wait_has_no_fewer_rules_than_before_or_after(
    labels: dict[str, str], held_for: dict[str, Any], *, stays: bool
) -> None:
    first = replace(
        WITH_DATA,
        valid={**WITH_DATA.valid, "ours": spec(team="a"), "theirs": spec(team="c")},
        bindings={**WITH_DATA.bindings, "guard": binding(team="a")},
    )
    state = written(first)
    moved = replace(
        first,
        valid={name: each for name, each in first.valid.items() if name != "ours"},
        bindings={**first.bindings, "guard": replace(binding(**labels), **held_for)},
    )
    plan, held = plan_for_gates("risk", moved, state, OF_CLERK)
    assert list(held.bindings) == ["guard"]
    now = after(state, plan)
    assert now.bindings["guard"].policy_names == {"strict"} | ({"ours"} if stays else set())
    plan, _ = plan_for_gates("risk", moved, now, [gate("new", 2), gate("new", 2, "clerk")])
    assert "ours" not in after(now, plan).policies


@pytest.mark.parametrize(
    "others",
    [pytest.param({}, id="it-is-deleted"), pytest.param({"ours": spec(team="d")}, id="it-selects-others-now")],
)
@pytest.mark.parametrize("refused", [pytest.param(False, id="it-waits"), pytest.param(True, id="it-is-refused")])
def test_an_agent_keeps_a_policy_until_the_edit_is_there_that_takes_its_place(
    others: dict[str, PolicySpec], *, refused: bool
) -> None:
    first = replace(
        WITH_DATA,
        valid={**WITH_DATA.valid, "ours": spec(team="a")},
        bindings={**WITH_DATA.bindings, "guard": binding(team="a")},
    )
    state, wider = written(first), WIDER.valid["other"]
    target = CommandTarget(topic="risk.commands", keyed=False)
    asked = replace(
        first,
        valid={"strict": spec(), **others, **({} if refused else {"other": wider})},
        invalid={"other": wider} if refused else {},
        bindings={**first.bindings, "guard": replace(binding(team="a"), decisions={"block": target})},
    )
    plan, _ = plan_for_gates("risk", asked, state, OF_CLERK)
    now = after(state, plan)
    assert now.bindings["guard"].policy_names == {"ours", "strict"}
    assert now.bindings["guard"].decisions == {"block": target}, "nothing else waits for it"
    mended = replace(asked, valid={**asked.valid, "other": wider}, invalid={})
    plan, _ = plan_for_gates("risk", mended, now, [gate("new", 2), gate("new", 2, "clerk")])
    assert after(now, plan).bindings["guard"].policy_names == {"other", "strict"}


@pytest.mark.parametrize(
    ("edit", "refused"),
    [
        pytest.param(spec("params.most > 1", {"most": 3}), False, id="rules-that-wait"),
        pytest.param(spec("("), True, id="rules-that-are-refused"),
        pytest.param(spec(), True, id="more-decision-types"),
    ],
)
def test_an_agent_keeps_a_policy_until_the_edit_of_another_one_that_it_has_is_there(
    edit: PolicySpec, *, refused: bool
) -> None:
    strict = spec().model_copy(update={"match": Match(decisions=("warn",))})
    first = replace(
        WITH_DATA,
        valid={**WITH_DATA.valid, "strict": strict, "ours": spec(team="a")},
        bindings={**WITH_DATA.bindings, "guard": binding(team="a")},
    )
    state, living = written(first), {"other": WITH_DATA.valid["other"]}
    asked = replace(
        first, valid=living if refused else {**living, "strict": edit}, invalid={"strict": edit} if refused else {}
    )
    plan, _ = plan_for_gates("risk", asked, state, OF_CLERK)
    now = after(state, plan)
    assert now.bindings["guard"].policy_names == {"ours", "strict"}
    given_up = replace(asked, valid=living, invalid={"strict": strict})
    plan, _ = plan_for_gates("risk", given_up, now, OF_CLERK)
    assert "ours" not in after(now, plan).policies, "one that is refused as it is in force takes nobody's place"
    there = replace(asked, valid={**living, "strict": edit}, invalid={})
    plan, _ = plan_for_gates("risk", there, now, [gate("new", 2), gate("new", 2, "clerk")])
    assert "ours" not in after(now, plan).policies


def test_what_an_earlier_agent_of_the_name_was_bound_to_its_gates_need_not_read() -> None:
    state = written(replace(WITH_DATA, bindings={"clerk": binding("clerk", team="b")}))
    made_again = replace(WITH_DATA, bindings={"clerk": replace(binding("clerk", team="b"), agent_uid="uid-2")})
    plan, held = plan_for_gates("risk", made_again, state, [gate("old", None, "clerk", agent_uid="uid-2")])
    why = TooNew(MOST, ("clerk/old",))
    assert held == HeldBack(bindings={"clerk": why}, agents={"clerk": why})
    assert not plan


@st.composite
def logs_with_refused_ones(draw: st.DrawFn) -> DesiredLog:
    """Draw a log of which some policies are refused and some agents are not ready."""
    log = draw(LOGS)
    refused = {name for name in log.valid if draw(st.booleans())}
    unready = {agent for agent in log.bindings if draw(st.integers(0, 3)) == 0}
    return replace(
        log,
        valid={name: each for name, each in log.valid.items() if name not in refused},
        invalid={name: log.valid[name] for name in refused},
        bindings={agent: each for agent, each in log.bindings.items() if agent not in unready},
        unready=frozenset(unready),
        labels={agent: log.bindings[agent].labels for agent in unready},
    )


def _selecting(desired: DesiredLog, agent: str) -> set[str]:
    """Return the policies under which an agent comes, whatever is published."""
    labels = dict(desired.labels[agent] if agent in desired.unready else desired.bindings[agent].labels)
    every = {**desired.valid, **desired.invalid}
    return {name for name, each in every.items() if each.match.agent_selector.selects(labels)}


def _as_asked(state: LogState, desired: DesiredLog, names: set[str]) -> bool:
    every = {**desired.valid, **desired.invalid}
    return all(state.policies[name].spec == every[name] for name in names)


def _newer_parts(state: LogState, agent: str) -> set[str]:
    """Return what of an agent's set an older gate cannot read."""
    if agent not in state.bindings:
        return set()
    record = state.bindings[agent]
    newer = {name for name in record.policy_names if state.policies[name].format == 2}
    return newer | ({record.key} if format_needed(record) == 2 else set())


@pytest.mark.slow
@given(steps=st.lists(st.tuples(logs_with_refused_ones(), GATES), min_size=3, max_size=5))
def test_whatever_the_log_has_come_through_no_older_gate_gets_more_that_it_cannot_read_and_nobody_fewer_rules(
    steps: list[tuple[DesiredLog, list[GateAck]]],
) -> None:
    state = LogState()
    for desired, gates in steps:
        plan, _ = plan_for_gates("risk", desired, state, gates)
        now = after(state, plan)
        older = {ack.agent for ack in gates if ack.reads.policy_log < 2}
        assert [agent for agent in older if _newer_parts(now, agent) - _newer_parts(state, agent)] == []
        for agent in state.bindings.keys() & now.bindings.keys():
            has, had = now.bindings[agent].policy_names, state.bindings[agent].policy_names
            wanted = _selecting(desired, agent)
            assert has >= had or (has >= wanted and _as_asked(now, desired, wanted))
        assert not plan_for_gates("risk", desired, now, gates)[0], "there is nothing more to say"
        state = now
