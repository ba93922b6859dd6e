"""What the agents' reconciler and the scaler share. In memory: a restart begins with the pods it finds.

The reconciler notes what exists and takes from here what the status says of scaling; the scaler does the rest.
"""

from dataclasses import dataclass, field

from streamwarden_contract.models import AgentDeployment, Condition
from streamwarden_contract.models.scaling import Lag, Scaling, ScalingChange
from streamwarden_contract.names import AgentNames
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.agents import ResolvedAgent
from streamwarden_operator.desired.status import find_condition, pending
from streamwarden_operator.errors import OperatorError
from streamwarden_operator.plans.lag_status import SCALING_ACTIVE
from streamwarden_operator.plans.scaling import History, initial_replicas
from streamwarden_operator.ports import GroupReads, WorkloadState

_UNKNOWN = frozenset({ConditionReason.LAG_UNKNOWN.value, ConditionReason.FALLBACK.value})


def group_reads(names: AgentNames, inputs: tuple[str, ...]) -> tuple[GroupReads, GroupReads]:
    """Return what an agent's group reads, and its gate's."""
    return (
        GroupReads(names.agent_group, inputs, earliest=True),
        # The operator has committed where the gate begins: a place that is lost is never guessed.
        GroupReads(names.gate_group, (names.decisions,), earliest=False),
    )


@dataclass(slots=True)
class ScaledAgent:
    """One agent that has a workload."""

    uid: str
    reads: tuple[GroupReads, GroupReads]
    """The agent's group on its inputs and outcomes, and the gate's on the decision topic."""
    state: WorkloadState
    """As last seen, or as the scaler made it since."""
    scaling: Scaling | None = None
    """What the last decision went by."""
    history: History = field(default_factory=History)
    due_s: float = float("-inf")
    """When its lag is to be read next; at once for one that is new."""
    lag: Lag | None = None
    """As the status shows it."""
    change: ScalingChange | None = None
    """As the status shows it."""
    active: Condition | None = None
    """None before the first reading of this process."""
    refusals: int = 0
    """How often in a row the number of pods could not be set."""
    refused: OperatorError | None = None
    """Why it cannot be set, where that has been told."""
    unknown_reported: bool = False
    """Whether an Event has said that the lag is not known."""


@dataclass(frozen=True, slots=True)
class ShownScaling:
    """What an agent's status says of its scaling."""

    lag: Lag | None
    last_scaling: ScalingChange | None
    active: Condition | None
    """None for an agent that does not scale."""


class ScalingStore:
    """By namespace and agent. Where nothing scales, every agent has one pod, and its status says nothing of lag."""

    def __init__(self, *, enabled: bool) -> None:
        self.agents: dict[tuple[str, str], ScaledAgent] = {}
        self._enabled = enabled

    def replicas_of_new(self, agent: AgentDeployment) -> int:
        """Return how many pods a workload gets that is made now: as many as there were, if it was there before."""
        if not self._enabled:
            return 1
        known = self._find(agent)
        return initial_replicas(agent.spec.scaling) if known is None else known.state.desired

    def observe(self, agent: ResolvedAgent, state: WorkloadState) -> None:
        """Note how an agent's workload is.

        Args:
            agent: the agent.
            state: its pods.
        """
        if not self._enabled:
            return
        names, resource = agent.names, agent.resource
        reads = group_reads(names, agent.input_topics)
        known = self._find(resource)
        if known is not None:
            known.reads, known.state = reads, state
            return
        status = resource.status
        active = find_condition(status.conditions, SCALING_ACTIVE)
        self.agents[names.namespace, names.agent] = ScaledAgent(
            resource.metadata.uid,
            reads,
            state,
            lag=status.lag,
            change=status.last_scaling,
            unknown_reported=active is not None and active.reason in _UNKNOWN,
        )

    def forget(self, namespace: str, agent: str) -> None:
        """Say that an agent has no workload any more."""
        self.agents.pop((namespace, agent), None)

    def shown(self, agent: AgentDeployment) -> ShownScaling:
        """Return what the status says of scaling; until this process has read the lag, what it said before."""
        if not self._enabled:
            return ShownScaling(None, None, None)
        known, status = self._find(agent), agent.status
        change = status.last_scaling if known is None else known.change
        if agent.spec.scaling is None:
            return ShownScaling(None, change, None)
        if known is not None and known.active is not None:
            return ShownScaling(known.lag, change, known.active)
        before = find_condition(status.conditions, SCALING_ACTIVE)
        return ShownScaling(status.lag, change, before or pending(SCALING_ACTIVE, "the lag has not been read yet"))

    def _find(self, agent: AgentDeployment) -> ScaledAgent | None:
        known = self.agents.get((agent.metadata.namespace, agent.metadata.name))
        return known if known is not None and known.uid == agent.metadata.uid else None
