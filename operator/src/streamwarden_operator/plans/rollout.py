"""How far a revision has come, from what gates report. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from streamwarden_contract.acks import GateAck
from streamwarden_contract.models.policy import GateRejection, PolicyRef
from streamwarden_contract.policylog import PolicyRecord

from streamwarden_operator.desired.checks.policies import RolloutState
from streamwarden_operator.desired.status import shorten
from streamwarden_operator.plans.log_state import LogState

MAX_REJECTIONS = 8
MAX_GATE_NAME = 253
"""A gate chooses what it says of itself."""


def bound_agents(state: LogState, policy: PolicyRef | PolicyRecord) -> Mapping[str, str]:
    """Return the agents whose binding names the policy, at whichever revision: uid by name."""
    return state.bound.get((policy.namespace, policy.name), {})


def live_gates(acks: Iterable[GateAck], agents: Mapping[str, str]) -> list[GateAck]:
    """Return the last words of running gates of these agents (uid by name)."""
    return [ack for ack in acks if ack.state != "Stopped" and agents.get(ack.agent) == ack.agent_uid]


def common_decision_format(gates: Iterable[GateAck], *, applied: int = 1, complete: bool = True) -> int:
    """Return the newest format of decisions that all of an agent's running gates read.

    Args:
        gates: the running gates that are known.
        applied: what the agent was told last; it stays while nothing better is known.
        complete: whether all that gates had said has been read: an older gate may live and not be known before.
    """
    spoken = [ack.reads.decision for ack in gates] if complete else []
    return min(spoken, default=applied)


def observe_rollout(
    state: LogState,
    acks: Sequence[GateAck],
    *,
    policy: PolicyRef,
    is_asleep: Callable[[str], bool] = lambda _: False,
    settled: bool = False,
) -> RolloutState:
    """Tell how far a revision has come.

    Args:
        state: the log.
        acks: of the namespace's gates.
        policy: the policy, at the revision that is meant.
        is_asleep: whether an agent is at zero: none of its gates is missing.
        settled: whether all gates had the revision before. Then nobody waits for gates that start: they judge nothing
            until they have the newest, so an agent that is scaled takes nothing back that was rolled out.
    """
    agents = bound_agents(state, policy)
    gates = [ack for ack in live_gates(acks, agents) if not (settled and ack.state == "Starting")]
    updated = [ack for ack in gates if policy in ack.policies]
    rejected = [
        GateRejection(gate=f"{ack.agent}/{ack.pod}"[:MAX_GATE_NAME], message=shorten(ack.message or ack.reason))
        for ack in gates
        if ack.state == "Rejected" and ack not in updated
    ]
    missing = () if settled else sorted(set(agents) - {ack.agent for ack in gates})
    silent = tuple(agent for agent in missing if not is_asleep(agent))
    return RolloutState(len(agents), len(gates), len(updated), tuple(rejected[:MAX_REJECTIONS]), silent, settled)
