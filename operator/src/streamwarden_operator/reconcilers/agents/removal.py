"""Brings an agent down: pods first, then access, then the binding. The decision topic and the audit stay."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.models.base import Metadata
from streamwarden_contract.models.pod import LONGEST_GRACE_S
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.checks.agents import READY
from streamwarden_operator.desired.checks.chain import Finding, condition_of, first_finding
from streamwarden_operator.desired.checks.deletion import DELETION, AgentDeletion, finalizer_stays
from streamwarden_operator.desired.management import lets_go
from streamwarden_operator.errors import ForbiddenError, NotReadyError, OperatorError
from streamwarden_operator.keys import Key
from streamwarden_operator.ports import NOT_READABLE, Cluster, Unreadable
from streamwarden_operator.reconcilers.agents.access import AgentAccess
from streamwarden_operator.reconcilers.agents.status import AgentStatuses
from streamwarden_operator.reconcilers.policies.live_acks import LiveAcks
from streamwarden_operator.reconcilers.policies.log_store import LogStore
from streamwarden_operator.reconcilers.scaling.scaling_store import ScalingStore
from streamwarden_operator.result import DONE, Result

FINALIZER = "streamwarden.io/agent-deployment"

_READ_WITHIN_S = 2.0
"""How long a log that was never read may take until it is asked why."""


class AgentRemoval:
    """One agent at a time, whether its resource is being deleted or gone."""

    def __init__(  # noqa: PLR0913  # each is a part of the reconciler's; half of them by name
        self,
        cluster: Cluster,
        access: AgentAccess,
        logs: LogStore,
        scaling: ScalingStore,
        *,
        acks: LiveAcks,
        statuses: AgentStatuses,
        wake: Callable[[Key], None],
        clock: Callable[[], datetime],
    ) -> None:
        """Make it, over what the reconciler has."""
        self._cluster = cluster
        self._access = access
        self._logs = logs
        self._scaling = scaling
        self._acks = acks
        self._statuses = statuses
        self._wake = wake
        self._clock = clock

    async def abandon(self, namespace: str, agent: str) -> bool:
        """Undo everything of an agent whose resource is gone; what is gone already is success.

        False: its pods are still ending, and their gates may still judge. Another reconcile is due once they have.
        """
        self._logs.wanted.pop((namespace, agent), None)
        self._scaling.forget(namespace, agent)
        if not await self._cluster.delete_workload(namespace, agent):
            return False
        await self._access.revoke(namespace, agent)
        # Before the finalizer goes: whoever follows a process that ends after it does not know that there was an agent.
        await self._acks.forget_gone(namespace, agent, exists=False)
        return True

    async def delete(self, agent: AgentDeployment | Unreadable) -> Result:
        """Bring down an agent that is being deleted as far as it can go now.

        One that cannot be read goes the same way: pods, access and binding are known by its name alone.

        Raises:
            OperatorError: something cannot be undone now. The status says so, and how to let go; an Event does where
                there is no status that can be written.
        """
        metadata = agent.metadata
        if FINALIZER not in metadata.finalizers:
            return DONE
        grace_s = LONGEST_GRACE_S if isinstance(agent, Unreadable) else agent.spec.termination_grace_period_seconds
        deletion = await self._bring_down(metadata, timedelta(seconds=grace_s))
        finding = first_finding(DELETION, deletion)
        if finding is None:
            refused = None if deletion.bound else await self._let_go(agent)
            if refused is None:
                return DONE  # the tombstone of its binding wakes it once more
            finding, deletion = finalizer_stays(refused), replace(deletion, error=refused)
        status_changed = await self._say(agent, finding)
        if finding.reason == ConditionReason.DELETION_BLOCKED:
            cause = deletion.error or (deletion.outage if deletion.pods_gone else None)
            raise cause or NotReadyError(finding.message, reason=ConditionReason.DELETION_BLOCKED)
        # The pods' end, and the log once it is read, wake the agent; that they do not must be noticed too.
        again_s = _READ_WITHIN_S if deletion.pods_gone else deletion.pods_due.total_seconds() + 1
        return Result(requeue_after_s=again_s, status_changed=status_changed)

    async def _bring_down(self, metadata: Metadata, grace: timedelta) -> AgentDeletion:
        namespace, name = metadata.namespace, metadata.name
        orphan = lets_go(metadata)  # what is left in Kafka is swept, once it answers
        started = metadata.deletion_timestamp
        waited = self._clock() - datetime.fromisoformat(started) if started else timedelta()
        try:
            gone = await (self._cluster.delete_workload if orphan else self.abandon)(namespace, name)
        except OperatorError as error:
            return AgentDeletion(waited=waited, grace=grace, error=error)
        if not gone and not orphan:
            return AgentDeletion(waited=waited, grace=grace)
        self._logs.wanted.pop((namespace, name), None)
        self._logs.released[namespace, name] = metadata.uid
        self._wake(Key("PolicyLog", namespace))
        return AgentDeletion(
            waited=waited,
            grace=grace,
            pods_gone=True,
            bound=not orphan and self._has_binding(namespace, name),
            log_read=namespace in self._logs.published,
            outage=self._logs.outage(namespace),
        )

    async def _let_go(self, agent: AgentDeployment | Unreadable) -> ForbiddenError | None:
        """Take the finalizer away; return why that is not allowed."""
        namespace = agent.metadata.namespace
        if isinstance(agent, Unreadable) and not lets_go(agent.metadata):
            message = (
                "deleted without being understood by this version of the operator: pods, credentials, access and "
                "binding were taken away by its name; what another version made for it besides is still there"
            )
            await self._cluster.record_event(agent.key, reason=NOT_READABLE, message=message, warning=True)
        try:
            await self._cluster.set_finalizer(agent, FINALIZER, present=False)
        except ForbiddenError as error:
            return error
        self._wake(Key("Namespace", namespace))
        return None

    def _has_binding(self, namespace: str, agent: str) -> bool:
        if namespace in self._logs.taken:
            return False
        if namespace not in self._logs.published:
            self._wake(Key("Namespace", namespace))
            return True
        return self._logs.binding(namespace, agent) is not None

    async def _say(self, agent: AgentDeployment | Unreadable, finding: Finding) -> bool:
        """Say how far the deletion has come, and tell whether that is new in the agent's status."""
        if not isinstance(agent, Unreadable):
            return await self._statuses.say(agent, condition_of(READY, finding)) != agent.status
        if finding.reason == ConditionReason.DELETION_BLOCKED:
            await self._cluster.record_event(agent.key, reason=finding.reason, message=finding.message, warning=True)
        return False
