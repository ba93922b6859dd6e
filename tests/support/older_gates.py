"""Policy logs and gates of two ages, for tests of what waits for whom."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from streamwarden_contract.acks import GateAck, ReadFormats
from streamwarden_contract.models.policy import AgentSelector, Match, PolicySpec, Rule
from streamwarden_contract.policylog import CommandTarget, DecisionTopic, SkipRange
from streamwarden_operator.desired.policy_log import DesiredBinding, DesiredLog
from streamwarden_operator.plans.log_plan import after
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.policy_log import plan_log

if TYPE_CHECKING:
    from streamwarden_contract.canonical import JsonValue

SKIP = SkipRange(topic_id="T1", partition=0, from_offset=1, to_offset=2, reason="broken", requested_by="ada")


def spec(require: str = "true", params: dict[str, JsonValue] | None = None, **labels: str) -> PolicySpec:
    match = Match(agent_selector=AgentSelector(match_labels=labels))
    return PolicySpec(match=match, rules=(Rule(name="r", require=require),), params=params)


def binding(agent: str = "guard", **labels: str) -> DesiredBinding:
    return DesiredBinding(
        namespace="risk",
        agent=agent,
        agent_uid=f"uid-{agent}",
        labels=labels,
        decisions={"block": CommandTarget(topic="risk.commands", keyed=True)},
        inputs=("risk.urls",),
        decision_topic=DecisionTopic(name=f"risk.{agent}.decisions", topic_id="T1", partitions=3),
        audit_topic="risk.streamwarden.audit",
        audit_topic_id="A1",
        dead_letter_topic="risk.streamwarden.dlq",
    )


def gate(pod: str, reads: int | None = None, agent: str = "guard", **said: str) -> GateAck:
    """A gate as it reports; one of an earlier version does not say what it reads."""
    formats = None if reads is None else ReadFormats(policy_log=reads)
    fields = {"namespace": "risk", "agent": agent, "agent_uid": f"uid-{agent}", "pod": pod, "state": "InForce"}
    return GateAck.model_validate({**fields, "formats": formats, "reported_at_ms": 1, **said})


OLD, NEW = gate("old"), gate("new", 2)
BASE = DesiredLog(
    valid={"strict": spec(), "other": spec(team="b")},
    bindings={"guard": binding(), "clerk": binding("clerk", team="b")},
)
WITH_DATA = replace(BASE, valid={**BASE.valid, "other": spec("params.most > 1", {"most": 3}, team="b")})
MOST = ("params",)


def written(desired: DesiredLog = BASE) -> LogState:
    return after(LogState(), plan_log("risk", desired, LogState()))


OF_CLERK = (gate("old"), gate("new", 2, "clerk"))
"""The gates of one agent are new, and those of the other are not."""
WIDER = replace(WITH_DATA, valid={**WITH_DATA.valid, "other": spec("params.most > 1", {"most": 3})})
MOVED = replace(WITH_DATA, bindings={**WITH_DATA.bindings, "guard": binding(team="b")})
TIGHTER = {**WITH_DATA.valid, "other": spec("params.most > 1", {"most": 2}, team="b")}


TEAMS = st.sampled_from(["a", "b"])
SPECS = st.builds(
    lambda team, params: spec(
        "true" if params is None else "params.most > 1", params, **({"team": team} if team else {})
    ),
    st.none() | TEAMS,
    st.none() | st.just({"most": 3}) | st.just({"most": 4}),
)
AGENTS = ("guard", "clerk")


def bindings(teams: tuple[str, str], skipping: tuple[bool, bool]) -> dict[str, DesiredBinding]:
    return {
        agent: replace(binding(agent, team=team), skips=(SKIP,) if skips else ())
        for agent, team, skips in zip(AGENTS, teams, skipping, strict=True)
    }


LOGS = st.builds(
    DesiredLog,
    valid=st.dictionaries(st.sampled_from(["p", "q", "r"]), SPECS),
    bindings=st.builds(bindings, st.tuples(TEAMS, TEAMS), st.tuples(st.booleans(), st.booleans())),
)
GATES = st.lists(
    st.builds(gate, st.sampled_from(["1", "2"]), st.sampled_from([None, 1, 2, 3]), st.sampled_from(AGENTS)), max_size=3
)
