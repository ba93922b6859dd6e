"""Brings an agent down: pods first, then access, then the binding. The decision topic and the audit stay."""

from collections.abc import Callable
from datetime import datetime, timedelta

from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.models.agent_deployment import AgentDeploymentStatus
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired import status as conditions
from streamwarden_operator.desired.checks.agents import READY
from streamwarden_operator.desired.management import ORPHAN, lets_go
from streamwarden_operator.errors import NotReadyError, OperatorError
from streamwarden_operator.keys import Key
from streamwarden_operator.ports import Cluster
from streamwarden_operator.reconcilers.agents.access import AgentAccess
from streamwarden_operator.reconcilers.agents.status import AgentStatuses
from streamwarden_operator.reconcilers.policies.log_book import LogBook
from streamwarden_operator.reconcilers.scaling.scale_book import ScaleBook

FINALIZER = "streamwarden.io/agent-deployment"
LONGEST_ENDING = timedelta(seconds=90)
"""After a pod's grace period; after so long something keeps it."""


class AgentRemoval:
    """One agent at a time, whether its resource is being deleted or gone."""

    def __init__(
        self,
        cluster: Cluster,
        access: AgentAccess,
        book: LogBook,
        scaling: ScaleBook,
        *,
        statuses: AgentStatuses,
        wake: Callable[[Key], None],
        clock: Callable[[], datetime],
    ) -> None:
        """Make it, over what the reconciler has."""
        self._cluster = cluster
        self._access = access
        self._book = book
        self._scaling = scaling
        self._statuses = statuses
        self._wake = wake
        self._clock = clock

    async def abandon(self, namespace: str, agent: str) -> bool:
        """Undo everything of an agent whose resource is gone; what is gone already is success.

        False: its pods are still ending, and their gates may still judge. Another reconcile is due once they have.
        """
        self._book.wanted.pop((namespace, agent), None)
        self._scaling.forget(namespace, agent)
        if not await self._cluster.delete_workload(namespace, agent):
            return False
        await self._access.revoke(namespace, agent)
        return True

    async def delete(self, agent: AgentDeployment) -> AgentDeploymentStatus:
        """Bring down an agent that is being deleted as far as it can go now; returns its status.

        Raises:
            OperatorError: something cannot be undone now. The status says so, and how to let go.
        """
        if FINALIZER not in agent.metadata.finalizers:
            return agent.status
        namespace, name = agent.metadata.namespace, agent.metadata.name
        orphan = lets_go(agent.metadata)  # what is left in Kafka is swept, once it answers
        try:
            gone = await (self._cluster.delete_workload if orphan else self.abandon)(namespace, name)
        except OperatorError as error:
            return await self._blocked(agent, error)
        if not gone and not orphan:
            return await self._ending(agent)
        self._book.wanted.pop((namespace, name), None)
        self._book.released.add(agent.metadata.uid)
        self._wake(Key("PolicyLog", namespace))
        if not orphan and self._has_binding(agent):
            log = self._book.published.get(namespace)
            if log is not None and log.outage is not None:
                return await self._blocked(agent, log.outage)
            return agent.status  # its tombstone wakes this agent once more
        await self._cluster.set_finalizer(agent, FINALIZER, present=False)
        self._wake(Key("Namespace", namespace))
        return agent.status

    def _has_binding(self, agent: AgentDeployment) -> bool:
        """Tell whether a binding is, or may be, published: of a log that was never read nobody knows."""
        namespace = agent.metadata.namespace
        if namespace not in self._book.published:
            self._wake(Key("Namespace", namespace))
            return True
        return self._book.binding(namespace, agent.metadata.name) is not None

    async def _ending(self, agent: AgentDeployment) -> AgentDeploymentStatus:
        """Wait for pods that are ending; one on a lost node never does by itself, and somebody must hear of it."""
        started = agent.metadata.deletion_timestamp
        waited = self._clock() - datetime.fromisoformat(started) if started else timedelta()
        longest = LONGEST_ENDING + timedelta(seconds=agent.spec.termination_grace_period_seconds)
        if waited > longest:
            message = f"pods have not ended after {longest.total_seconds():.0f} s; is their node lost?"
            await self._blocked(agent, NotReadyError(message, reason=ConditionReason.DELETION_BLOCKED))
        ready = conditions.condition(READY, "False", ConditionReason.PENDING, "pods are ending")
        return await self._statuses.say(agent, ready)

    async def _blocked(self, agent: AgentDeployment, error: OperatorError) -> AgentDeploymentStatus:
        message = f"{error}. The annotation {ORPHAN}: 'true' lets go; what is left in Kafka is swept when it answers"
        await self._statuses.say(agent, conditions.condition(READY, "False", ConditionReason.DELETION_BLOCKED, message))
        raise error
