"""The topics that the agents of a namespace share, and the sweep of what agents left that are no more."""

import asyncio
from collections.abc import Callable

import structlog
from streamwarden_contract.models import AgentDeployment, Policy
from streamwarden_contract.names import SYSTEM, AgentNames, NamespaceNames

from streamwarden_operator.desired.acls import is_streamwarden_principal
from streamwarden_operator.desired.topics import build_guardrail_topic, build_shared_topics
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.topics import plan_topic
from streamwarden_operator.ports import Acl, AclPlan, Acls, Cluster, ScramUsers, Topic, Topics
from streamwarden_operator.reconcilers.agents.quotas import AgentQuotas
from streamwarden_operator.reconcilers.existence import existing_agents
from streamwarden_operator.reconcilers.policies.log_store import LogStore
from streamwarden_operator.result import DONE, Result

_log = structlog.get_logger(__name__)


class NamespaceReconciler:
    """One namespace at a time; ``streamwarden`` itself has the guardrail topic alone."""

    def __init__(  # noqa: PLR0913  # each is a port or a callback; all but four by name
        self,
        cluster: Cluster,
        topics: Topics,
        acls: Acls,
        users: ScramUsers,
        *,
        quotas: AgentQuotas,
        logs: LogStore,
        watch: Callable[[str], None],
        wake: Callable[[Key], None],
    ) -> None:
        """Make a reconciler.

        Args:
            cluster: the Kubernetes side.
            topics: Kafka's topics.
            acls: Kafka's ACLs.
            users: Kafka's users.
            quotas: what agents' users may use of the brokers.
            logs: learns that the topics exist; knows whether all resources are known.
            watch: called with a namespace whose gates topic may be read from now on.
            wake: called with the key of the policy log, whose topic exists from now on, and of namespaces to sweep.
        """
        self._cluster = cluster
        self._topics = topics
        self._acls = acls
        self._users = users
        self._quotas = quotas
        self._logs = logs
        self._watch = watch
        self._wake = wake

    async def reconcile(self, key: Key) -> Result:
        """Make the shared topics match, and take back what belongs to nobody any more.

        A namespace without agents and policies gets no topics.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        namespace, sweeps = key.namespace, self._logs.complete
        if namespace == SYSTEM or self._is_used(namespace):
            await self._keep_topics(namespace)
        if sweeps and namespace != SYSTEM:
            await self._sweep(namespace)
        if namespace == SYSTEM and self._logs.complete:
            owned = owned_namespaces(await self._acls.observe(), await self._users.observe())
            for other in sorted(owned - {SYSTEM}):
                self._wake(Key("Namespace", other))
        return DONE

    async def _keep_topics(self, namespace: str) -> None:
        if namespace == SYSTEM:
            wanted: tuple[Topic, ...] = (build_guardrail_topic(self._logs.installation),)
        else:
            wanted = build_shared_topics(NamespaceNames(namespace))
        observed = await self._topics.observe([topic.name for topic in wanted])
        plans = {topic.name: plan_topic(topic, observed.get(topic.name), keyed=True) for topic in wanted}
        changes = {name: plan for name, plan in plans.items() if plan}
        for name, plan in changes.items():
            _log.info("shared topic changed", topic=name, created=plan.create is not None)
        # Side by side: each waits until the brokers know of its topic.
        await asyncio.gather(*(self._topics.apply(name, plan) for name, plan in changes.items()))
        if namespace not in self._logs.topics_ready:
            self._logs.topics_ready.add(namespace)
            if namespace != SYSTEM:
                self._watch(namespace)
        self._wake(Key("PolicyLog", namespace))

    async def _sweep(self, namespace: str) -> None:
        living = existing_agents(self._cluster, namespace)
        stale = frozenset(acl for acl in await self._acls.observe() if _is_stale(acl.principal, namespace, living))
        if stale:
            _log.warning("access of agents that are no more", namespace=namespace, acls=len(stale))
            await self._acls.apply(AclPlan(remove=stale))
        # Before the users: those, or ACLs, are what tells that there is anything to sweep.
        await self._quotas.take(lambda user: _is_stale(f"User:{user}", namespace, living))
        for user in sorted(await self._users.observe()):
            if _is_stale(f"User:{user}", namespace, living):
                _log.warning("user of an agent that is no more", user=user)
                await self._users.delete(user)

    def _is_used(self, namespace: str) -> bool:
        return bool(
            self._cluster.list(AgentDeployment, namespace)
            or self._cluster.list(Policy, namespace)
            or any(key.namespace == namespace for key in self._cluster.unreadable())
        )


def owned_namespaces(acls: frozenset[Acl], users: frozenset[str]) -> set[str]:
    """Return the namespaces of all agents and gates that have an ACL or a user."""
    principals = {acl.principal for acl in acls} | {f"User:{user}" for user in users}
    return {
        principal.removeprefix("User:").split(".", 1)[0]
        for principal in principals
        if is_streamwarden_principal(principal)
    }


def _is_stale(principal: str, namespace: str, living: set[str]) -> bool:
    if not is_streamwarden_principal(principal) or not principal.startswith(f"User:{namespace}."):
        return False
    kept = {name for agent in living for name in _principals(namespace, agent)}
    return principal.removeprefix("User:") not in kept


def _principals(namespace: str, agent: str) -> tuple[str, str]:
    names = AgentNames(namespace, agent)
    return names.agent_principal, names.gate_principal
