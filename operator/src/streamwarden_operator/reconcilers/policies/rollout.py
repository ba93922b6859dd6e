"""How far a revision has come, from what gates report. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from streamwarden_contract.acks import GateAck
from streamwarden_contract.models import Condition
from streamwarden_contract.models.agent_deployment import AgentDeploymentStatus
from streamwarden_contract.models.policy import GateRejection
from streamwarden_contract.policylog import BindingRecord
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.status import condition, find_condition, shorten, true
from streamwarden_operator.plans.log_state import LogState

ROLLED_OUT = "RolledOut"
GATE_READY = "GateReady"
MAX_REJECTIONS = 8
MAX_GATE_NAME = 253
"""A gate chooses what it says of itself."""


@dataclass(frozen=True, slots=True)
class RolloutState:
    """Where one revision of one policy stands."""

    agents: int
    """Agents whose binding names the policy."""
    gates: int
    """Their running gates."""
    updated: int
    """Of them, those that have the revision in force."""
    rejected: tuple[GateRejection, ...]
    silent: tuple[str, ...]
    """Of the agents, those without a running gate that should have one."""
    settled: bool = False
    """Whether all gates had the revision before."""

    @property
    def converged(self) -> bool:
        """Whether every bound agent that is not at zero has gates, and every gate the revision."""
        return self.gates > 0 and not self.silent and self.updated == self.gates

    def condition(self) -> Condition:
        """Say it as a condition."""
        if self.agents == 0:
            return condition(ROLLED_OUT, "True", ConditionReason.NO_GATES, "no agent is bound by this policy")
        if self.rejected:
            first = self.rejected[0]
            return condition(ROLLED_OUT, "False", ConditionReason.REJECTED_BY_GATE, f"{first.gate}: {first.message}")
        if self.converged or (self.settled and self.updated == self.gates):
            return true(ROLLED_OUT)
        if not self.gates and not self.silent:
            message = "no agent that this policy binds has pods now: their gates begin with this revision"
            return condition(ROLLED_OUT, "True", ConditionReason.NO_GATES, message)
        waiting = f"; no gate runs for {', '.join(self.silent)}" if self.silent else ""
        message = f"{self.updated} of {self.gates} gates have it in force{waiting}"
        return condition(ROLLED_OUT, "False", ConditionReason.WAITING_FOR_GATES, message)


def bound_agents(state: LogState, policy: str) -> Mapping[str, str]:
    """Return the agents whose binding names the policy: uid by name."""
    return {
        record.agent: record.agent_uid
        for record in state.bindings.values()
        if any(ref.name == policy for ref in record.policies)
    }


def is_asleep(agent: AgentDeploymentStatus) -> bool:
    """Tell whether an agent is at zero, by its own status."""
    found = find_condition(agent.conditions, GATE_READY)
    return found is not None and found.reason == ConditionReason.SCALED_TO_ZERO


def live_gates(acks: Iterable[GateAck], agents: Mapping[str, str]) -> list[GateAck]:
    """Return the last words of running gates of these agents (uid by name)."""
    return [ack for ack in acks if ack.state != "Stopped" and agents.get(ack.agent) == ack.agent_uid]


def observe_rollout(
    state: LogState,
    acks: Sequence[GateAck],
    *,
    policy: str,
    revision: int,
    asleep: Collection[str] = (),
    settled: bool = False,
) -> RolloutState:
    """Tell how far a revision has come.

    Args:
        state: the log.
        acks: of the namespace's gates.
        policy: the policy.
        revision: which one of its revisions.
        asleep: agents at zero: none of their gates is missing.
        settled: whether all gates had the revision before. Then nobody waits for gates that start: they judge nothing
            until they have the newest, so an agent that is scaled takes nothing back that was rolled out.
    """
    agents = bound_agents(state, policy)
    gates = [ack for ack in live_gates(acks, agents) if not (settled and ack.state == "Starting")]
    updated = [ack for ack in gates if any((ref.name, ref.revision) == (policy, revision) for ref in ack.policies)]
    rejected = [
        GateRejection(gate=f"{ack.agent}/{ack.pod}"[:MAX_GATE_NAME], message=shorten(ack.message or ack.reason))
        for ack in gates
        if ack.state == "Rejected" and ack not in updated
    ]
    silent = () if settled else tuple(sorted(set(agents) - {ack.agent for ack in gates} - set(asleep)))
    return RolloutState(len(agents), len(gates), len(updated), tuple(rejected[:MAX_REJECTIONS]), silent, settled)


def gate_condition(binding: BindingRecord, acks: Sequence[GateAck], *, asleep: bool = False) -> Condition:
    """Tell whether an agent's gates judge. A gate with the revision before the newest is ready: it judges by that.

    Args:
        binding: what the gates must have.
        acks: of the namespace's gates.
        asleep: whether no pod is wanted; then no gate is missing.
    """
    if asleep:
        message = "no pod is wanted as long as there is no lag"
        return condition(GATE_READY, "True", ConditionReason.SCALED_TO_ZERO, message)
    gates = live_gates(acks, {binding.agent: binding.agent_uid})
    rejecting = next((ack for ack in gates if ack.state == "Rejected"), None)
    if rejecting is not None:
        message = f"gate {rejecting.pod} refuses its policies: {rejecting.message or rejecting.reason}"
        return condition(GATE_READY, "False", ConditionReason.REJECTED_BY_GATE, message)
    if any(ack.state == "InForce" for ack in gates):
        return true(GATE_READY)
    detail = "; ".join(f"{ack.pod}: {ack.message or ack.reason or ack.state}" for ack in gates)
    return condition(
        GATE_READY, "False", ConditionReason.GATE_NOT_READY, detail or "no gate of this agent has reported yet"
    )
