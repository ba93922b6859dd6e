"""Whether an agent is Ready, and the one thing to say of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamwarden_contract.models import Condition
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.checks.agents import GATE_READY
from streamwarden_operator.desired.checks.chain import Finding
from streamwarden_operator.desired.status import find_condition, summarize


@dataclass(frozen=True, slots=True)
class AgentSummary:
    """Everything that Ready goes by."""

    conditions: Sequence[Condition]
    """All others, in the order of their importance."""
    asleep: bool = False
    pods_ready: bool = False
    """Whether a pod has joined the agent's consumer group."""
    crashing: str = ""
    """Why pods keep ending, with their last lines; empty where they do not."""
    unscheduled: str = ""
    """Why no node takes a pod; empty where each has one."""


def pods_keep_ending(agent: AgentSummary) -> Finding | None:
    return Finding("False", ConditionReason.CRASHING, agent.crashing) if agent.crashing else None


def no_node_takes_a_pod(agent: AgentSummary) -> Finding | None:
    """Find pods that wait for a node, as long as none works: that no gate has reported follows from it."""
    if agent.pods_ready or not agent.unscheduled:
        return None
    return Finding("False", ConditionReason.UNSCHEDULABLE, agent.unscheduled)


def a_condition_does_not_hold(agent: AgentSummary) -> Finding | None:
    summary = summarize(agent.conditions)
    return None if summary.status == "True" else Finding(summary.status, summary.reason, summary.message)


def no_pod_is_wanted(agent: AgentSummary) -> Finding | None:
    gate = find_condition(agent.conditions, GATE_READY)
    return Finding(gate.status, gate.reason, gate.message) if agent.asleep and gate is not None else None


def no_pod_has_joined(agent: AgentSummary) -> Finding | None:
    if agent.pods_ready:
        return None
    message = "no pod of the agent has joined its consumer group yet"
    return Finding("False", ConditionReason.AGENT_NOT_READY, message)


def something_is_hardly_meant(agent: AgentSummary) -> Finding | None:
    message = summarize(agent.conditions).message
    return Finding("True", ConditionReason.OK, message) if message else None


SUMMARY = (
    pods_keep_ending,
    no_node_takes_a_pod,
    a_condition_does_not_hold,
    no_pod_is_wanted,
    no_pod_has_joined,
    something_is_hardly_meant,
)
