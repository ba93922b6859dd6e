"""Writes agents' statuses, and tells people what they must act on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from streamwarden_contract.models import AgentDeployment, Condition
from streamwarden_contract.models.agent_deployment import AgentDeploymentStatus
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired import status as conditions
from streamwarden_operator.keys import Key
from streamwarden_operator.ports import Cluster

READY = "Ready"

_ALARMING = frozenset(
    {
        ConditionReason.BYPASS_POSSIBLE.value,
        ConditionReason.OFFSETS_LOST.value,
        ConditionReason.CRASHING.value,
        ConditionReason.DELETION_BLOCKED.value,
        ConditionReason.REJECTED_BY_GATE.value,
    }
)
"""Reasons that somebody must hear of: an Event, once each."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AgentStatuses:
    """The statuses of all agents."""

    cluster: Cluster
    clock: Callable[[], datetime]

    async def say(self, agent: AgentDeployment, ready: Condition) -> AgentDeploymentStatus:
        """Write what the agent's Ready condition says from now on; all else stays."""
        generation = agent.metadata.generation
        changed = conditions.set_condition(agent.status.conditions, ready, generation=generation, now=self.clock())
        status = agent.status.model_copy(update={"conditions": changed})
        await self.write(agent, status)
        return status

    async def write(self, agent: AgentDeployment, status: AgentDeploymentStatus) -> None:
        """Write the status, and tell people what they must act on."""
        key = Key("AgentDeployment", agent.metadata.namespace, agent.metadata.name)
        if status != agent.status:
            await self.cluster.write_status(agent, status)
        before = {(part.type, part.reason, part.message) for part in agent.status.conditions}
        for part in status.conditions:
            if part.reason in _ALARMING and part.type == READY and (part.type, part.reason, part.message) not in before:
                _log.warning("agent needs a look", key=str(key), reason=part.reason, detail=part.message)
                await self.cluster.record_event(key, reason=part.reason, message=part.message, warning=True)
