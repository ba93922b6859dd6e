"""How far a revision has come, from what gates report. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from streamwarden_contract.acks import GateAck
from streamwarden_contract.models import Condition
from streamwarden_contract.models.policy import GateRejection
from streamwarden_contract.policylog import BindingRecord
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.status import condition, shorten, true
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
    """Of the agents, those without a running gate."""

    @property
    def converged(self) -> bool:
        """Whether every bound agent has gates, and every gate the revision."""
        return self.agents > 0 and not self.silent and self.updated == self.gates

    def condition(self) -> Condition:
        """Say it as a condition."""
        if self.agents == 0:
            return condition(ROLLED_OUT, "True", ConditionReason.NO_GATES, "no agent is bound by this policy")
        if self.rejected:
            first = self.rejected[0]
            return condition(ROLLED_OUT, "False", ConditionReason.REJECTED_BY_GATE, f"{first.gate}: {first.message}")
        if self.converged:
            return true(ROLLED_OUT)
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


def live_gates(acks: Iterable[GateAck], agents: Mapping[str, str]) -> list[GateAck]:
    """Return the last words of running gates of these agents (uid by name)."""
    return [ack for ack in acks if ack.state != "Stopped" and agents.get(ack.agent) == ack.agent_uid]


def observe_rollout(state: LogState, acks: Sequence[GateAck], *, policy: str, revision: int) -> RolloutState:
    """Tell how far a revision has come."""
    agents = bound_agents(state, policy)
    gates = live_gates(acks, agents)
    updated = [ack for ack in gates if any((ref.name, ref.revision) == (policy, revision) for ref in ack.policies)]
    rejected = [
        GateRejection(gate=f"{ack.agent}/{ack.pod}"[:MAX_GATE_NAME], message=shorten(ack.message or ack.reason))
        for ack in gates
        if ack.state == "Rejected" and ack not in updated
    ]
    silent = tuple(sorted(set(agents) - {ack.agent for ack in gates}))
    return RolloutState(len(agents), len(gates), len(updated), tuple(rejected[:MAX_REJECTIONS]), silent)


def gate_condition(binding: BindingRecord, acks: Sequence[GateAck]) -> Condition:
    """Tell whether an agent's gates judge. A gate with the revision before the newest is ready: it judges by that."""
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
