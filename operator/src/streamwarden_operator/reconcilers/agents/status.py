"""Builds and writes agents' statuses, and records Events of what people must act on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from streamwarden_contract.models import AgentDeployment, Condition
from streamwarden_contract.models.agent_deployment import AgentDeploymentStatus
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired import status as conditions
from streamwarden_operator.desired.acceptance import ACCEPTED
from streamwarden_operator.desired.checks.agent_summary import SUMMARY, AgentSummary
from streamwarden_operator.desired.checks.agents import (
    ACCESS_READY,
    GATE_READY,
    READY,
    TOPICS_READY,
)
from streamwarden_operator.desired.checks.chain import decide
from streamwarden_operator.keys import key_of
from streamwarden_operator.plans.skips import SkipPlan
from streamwarden_operator.ports import Cluster
from streamwarden_operator.reconcilers.policies.log_store import LogStore
from streamwarden_operator.reconcilers.scaling.scaling_store import ScalingStore

MAX_POLICIES = 64
"""Shown in the status, which has to stay small; the binding names all of them."""

_ALARMING = frozenset(
    {
        ConditionReason.BYPASS_POSSIBLE.value,
        ConditionReason.OFFSETS_LOST.value,
        ConditionReason.CRASHING.value,
        ConditionReason.DELETION_BLOCKED.value,
        ConditionReason.REJECTED_BY_GATE.value,
        ConditionReason.DECISIONS_IN_OPEN_TRANSACTION.value,
        ConditionReason.QUOTA_REFUSED.value,
        ConditionReason.SHARED_TOPIC_LOST.value,
    }
)
"""Reasons that somebody must hear of: an Event, once each."""

_FORBIDDEN = frozenset(
    {
        ConditionReason.FORBIDDEN.value,
        ConditionReason.KAFKA_AUTHENTICATION_FAILED.value,
        ConditionReason.KAFKA_AUTHORIZATION_FAILED.value,
    }
)
"""What the operator lacks: told where it stands, as what comes before may be unknown for it, and Ready says that."""

_TOLD = frozenset(
    {(READY, reason) for reason in _ALARMING}
    | {(kind, reason) for kind in (TOPICS_READY, ACCESS_READY, GATE_READY) for reason in _FORBIDDEN}
    | {
        (ACCESS_READY, reason)
        for reason in (ConditionReason.NOT_SUPPORTED.value, ConditionReason.RESOURCE_CONFLICT.value)
    }
    | {(GATE_READY, ConditionReason.RECORDS_SKIPPED.value), (ACCEPTED, ConditionReason.SKIP_REFUSED.value)}
    | {(TOPICS_READY, ConditionReason.TOO_FEW_REPLICAS.value)}
)
"""Conditions with such a reason; an agent whose gate has skipped records, or will not, may well be ready."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Progress:
    """One pass: each condition is pending until its step has been reached."""

    found: dict[str, Condition] = field(
        default_factory=lambda: {
            kind: conditions.pending(kind, "waits for what comes before it")
            for kind in (TOPICS_READY, ACCESS_READY, GATE_READY)
        }
    )
    step: str = TOPICS_READY
    replicas: int = 0
    pods_ready: bool = False
    asleep: bool = False
    """Whether no pod is wanted, as there is no lag."""
    crashing: str = ""
    unscheduled: str = ""
    skips: SkipPlan | None = None
    """What becomes of the requested ranges; none before it is known."""

    def holds(self, kind: str) -> None:
        """Note that a condition holds."""
        self.found[kind] = conditions.true(kind)


@dataclass(frozen=True, slots=True)
class AgentStatuses:
    """The statuses of all agents."""

    cluster: Cluster
    logs: LogStore
    scaling: ScalingStore
    clock: Callable[[], datetime]

    async def report(self, agent: AgentDeployment, accepted: Condition, progress: Progress) -> AgentDeploymentStatus:
        """Write how far the agent has come, and return it."""
        scaling, generation = self.scaling.shown(agent), agent.metadata.generation
        new = [accepted, *progress.found.values(), *filter(None, [scaling.active])]
        summary = AgentSummary(
            new, progress.asleep, progress.pods_ready, crashing=progress.crashing, unscheduled=progress.unscheduled
        )
        ready = decide(READY, SUMMARY, summary)
        status = AgentDeploymentStatus(
            observed_generation=generation,
            conditions=conditions.build_conditions(
                agent.status.conditions, [*new, ready], generation=generation, now=self.clock()
            ),
            replicas=progress.replicas,
            policies=self._policies(agent),
            lag=scaling.lag,
            last_scaling=scaling.last_scaling,
        )
        await self.write(agent, status)
        return status

    async def say(self, agent: AgentDeployment, ready: Condition) -> AgentDeploymentStatus:
        """Write what the agent's Ready condition says from now on; all else stays."""
        generation = agent.metadata.generation
        changed = conditions.set_condition(agent.status.conditions, ready, generation=generation, now=self.clock())
        status = agent.status.model_copy(update={"conditions": changed})
        await self.write(agent, status)
        return status

    async def write(self, agent: AgentDeployment, status: AgentDeploymentStatus) -> None:
        """Write the status, and record an Event of what people must act on."""
        key = key_of(agent)
        if status != agent.status:
            await self.cluster.write_status(agent, status)
        before = {(part.type, part.reason, part.message) for part in agent.status.conditions}
        for part in status.conditions:
            if (part.type, part.reason) in _TOLD and (part.type, part.reason, part.message) not in before:
                _log.warning("agent needs attention", key=str(key), reason=part.reason, detail=part.message)
                await self.cluster.record_event(key, reason=part.reason, message=part.message, warning=True)

    def _policies(self, agent: AgentDeployment) -> tuple[PolicyRef, ...]:
        binding = self.logs.binding(agent.metadata.namespace, agent.metadata.name)
        refs = binding.policies if binding is not None and binding.agent_uid == agent.metadata.uid else ()
        return tuple(
            PolicyRef(namespace=ref.namespace, name=ref.name, revision=ref.revision) for ref in refs[:MAX_POLICIES]
        )
