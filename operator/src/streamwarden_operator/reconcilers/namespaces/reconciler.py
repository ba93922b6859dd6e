"""A namespace: claimed for this installation, its shared topics kept, and what agents left that are no more swept."""

from collections.abc import Callable

import structlog
from streamwarden_contract.inventory import NamespaceItem, Stage, UserItem
from streamwarden_contract.models import AgentDeployment, Policy, TopicContract
from streamwarden_contract.names import SYSTEM, InstallationNames, NamespaceNames

from streamwarden_operator.desired.acls import acls_of
from streamwarden_operator.desired.topics import build_guardrail_topic, build_policy_topic, build_shared_topics
from streamwarden_operator.errors import InvalidSpecError, KafkaUnavailableError, UnavailableError
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.inventory import Ownership, left_over, namespaces_with_users, own_namespace
from streamwarden_operator.plans.topics import plan_topic
from streamwarden_operator.ports import AclPlan, Acls, Cluster, ScramUsers, Topic, Topics
from streamwarden_operator.reconcilers.agents.quotas import AgentQuotas
from streamwarden_operator.reconcilers.existence import existing_agents
from streamwarden_operator.reconcilers.inventory import Inventory
from streamwarden_operator.reconcilers.namespaces.shared_topics import SharedTopics
from streamwarden_operator.reconcilers.policies.log_store import LogStore, note_cause
from streamwarden_operator.result import DONE, GONE, Result

_log = structlog.get_logger(__name__)

_INCIDENT = Result(requeue_after_s=15.0)
"""A topic is lost: nobody watches namespaces, and people end it by an annotation of one."""


class NamespaceReconciler:
    """One namespace at a time; ``streamwarden`` itself has the topics of the installation alone."""

    def __init__(  # noqa: PLR0913  # each is a port or a callback; all but four by name
        self,
        cluster: Cluster,
        topics: Topics,
        acls: Acls,
        users: ScramUsers,
        *,
        inventory: Inventory,
        quotas: AgentQuotas,
        logs: LogStore,
        shared: SharedTopics,
        covers: Callable[[str], bool],
        watch: Callable[[str], None],
        claimed: Callable[[str], None],
        swept: Callable[[UserItem], None],
        wake: Callable[[Key], None],
    ) -> None:
        """Make a reconciler.

        Args:
            cluster: the Kubernetes side.
            topics: Kafka's topics.
            acls: Kafka's ACLs.
            users: Kafka's users.
            inventory: what this installation has made.
            quotas: what agents' users may use of the brokers.
            logs: learns whose the namespace is and that its topics exist; knows whether all resources are known.
            shared: the topics that agents share.
            covers: whether this operator watches a namespace: of any other it cannot tell what is left over.
            watch: called with a namespace whose gates topic may be read from now on.
            claimed: called with a namespace once it is known whose it is: what waits in it may go on, or say why not.
            swept: called with each user that was swept: what was remembered of it can go.
            wake: called with the key of the policy log, whose topic exists from now on, and of namespaces to sweep.
        """
        self._cluster = cluster
        self._topics = topics
        self._acls = acls
        self._users = users
        self._inventory = inventory
        self._quotas = quotas
        self._logs = logs
        self._shared = shared
        self._covers = covers
        self._watch = watch
        self._claimed = claimed
        self._swept = swept
        self._wake = wake

    async def reconcile(self, key: Key) -> Result:
        """Claim the namespace, make its shared topics match, and take back what belongs to nobody any more.

        A namespace without agents and policies gets no topics but the one that claims it.

        Raises:
            UnavailableError: Kafka does not answer.
            CannotGoOnError: the inventory is not this installation's.
        """
        try:
            whole = await self._reconcile(key.namespace)
        except InvalidSpecError as error:
            await self._shared.refused(key.namespace, error)
            raise
        except UnavailableError as error:
            self._note_unclaimed(key.namespace, error)
            await self._shared.failed(key.namespace, error)
            raise
        self._shared.works(key.namespace)
        if not whole:
            return _INCIDENT
        if not self._is_empty(key.namespace):
            self._logs.empty.discard(key.namespace)
            return DONE
        self._logs.empty.add(key.namespace)
        self._logs.unclaimed.pop(key.namespace, None)
        return GONE

    async def _reconcile(self, namespace: str) -> bool:
        """Do it, and tell whether no shared topic is lost."""
        sweeps = self._logs.complete
        await self._inventory.open()
        if namespace == SYSTEM:
            await self._shared.say_taken_over()
            whole = await self._keep_topics(namespace, (build_guardrail_topic(self._logs.installation),))
            if sweeps:
                for other in namespaces_with_users(self._inventory.items, self._covers):
                    self._wake(Key("Namespace", other))
            return whole
        names = NamespaceNames(namespace)
        has_agents = self._has(namespace, AgentDeployment, Policy)
        whole = True
        if (has_agents or self._has(namespace, TopicContract)) and await self._may_claim(names) and has_agents:
            whole = await self._keep_topics(namespace, build_shared_topics(names))
        if sweeps:
            await self._sweep(namespace)
        return whole

    def _note_unclaimed(self, namespace: str, error: UnavailableError) -> None:
        """Let all in a namespace that is not claimed yet say what keeps the operator from that."""
        if namespace in {SYSTEM, *self._logs.claimed, *self._logs.taken}:
            return
        if note_cause(self._logs.unclaimed, namespace, error):
            self._claimed(namespace)

    async def _may_claim(self, names: NamespaceNames) -> bool:
        mine = await self._claim(names)
        self._logs.unclaimed.pop(names.namespace, None)
        return mine

    async def _claim(self, names: NamespaceNames) -> bool:
        """Tell whether the namespace is this installation's; it is from now on if it was nobody's."""
        namespace = names.namespace
        if namespace in self._logs.claimed:
            return True
        ownership, why = await self._ownership(names), _taken(names)
        if ownership is Ownership.NEW and await self._is_an_installation(namespace):
            ownership, why = Ownership.FOREIGN, _named_like_an_installation(namespace)
        if ownership is Ownership.NEW:
            meant = self._inventory.namespace(namespace) is not None
            intent = NamespaceItem(namespace=namespace, stage=Stage.INTENT)
            await self._inventory.note([intent])
            topic = self._shared.durability.of(build_policy_topic(names), None)
            made = await self._topics.apply(topic.name, plan_topic(topic, None, keyed=True))
            if not (made or meant):
                await self._inventory.forget([intent])  # somebody else was a moment faster
            ownership = await self._ownership(names)
            if ownership is Ownership.NEW:  # asked of a broker that has just come back: whose it is will be seen
                raise KafkaUnavailableError(f"the topic {topic.name!r} exists, and is not shown yet")
        if ownership is Ownership.FOREIGN:
            before, self._logs.taken[namespace] = self._logs.taken.get(namespace), why
            if before is None:
                self._claimed(namespace)
            return False
        item = self._inventory.namespace(namespace) or NamespaceItem(namespace=namespace, stage=Stage.MADE)
        await self._inventory.note([item.model_copy(update={"stage": Stage.MADE})])
        self._logs.taken.pop(namespace, None)
        self._logs.claimed.add(namespace)
        self._claimed(namespace)
        return True

    async def _ownership(self, names: NamespaceNames) -> Ownership:
        item, topic = self._inventory.namespace(names.namespace), names.policies
        asked = item is None or item.stage is not Stage.MADE
        exists = asked and topic in await self._topics.observe([topic])
        return own_namespace(item, await self._inventory.signers(topic) if exists else None)

    async def _is_an_installation(self, namespace: str) -> bool:
        """Tell whether another installation has the name: topics of contracts would be those that it lives by.

        By what is signed there, as ``shop.policies`` may be anybody's. Of a topic with more partitions nothing is read.
        """
        theirs = InstallationNames(namespace)
        wanted = (theirs.guardrails, theirs.inventory)
        found = await self._topics.observe(wanted)
        if not all(name in found and found[name].partitions == 1 for name in wanted):
            return False
        return bool((await self._inventory.signers(theirs.guardrails)).strangers)

    async def _keep_topics(self, namespace: str, wanted: tuple[Topic, ...]) -> bool:
        whole = await self._shared.keep(namespace, wanted)
        if namespace not in self._logs.topics_ready:
            self._logs.topics_ready.add(namespace)
            if namespace != SYSTEM:
                self._watch(namespace)
        self._wake(Key("PolicyLog", namespace))
        return whole

    async def _sweep(self, namespace: str) -> None:
        """Take back users, ACLs and quotas that the inventory has of agents that are no more; nothing else."""
        gone = left_over(self._inventory.items, namespace, existing_agents(self._cluster, namespace))
        if not gone or not self._covers(namespace):
            return
        items = {item.user: item for item in gone}

        def is_left(user: str) -> bool:  # asked before each step: its agent may be made again meanwhile
            return user in items and self._is_gone(items[user])

        observed = await self._acls.observe(lately=True)
        stale = acls_of(observed, *filter(is_left, items))
        if stale:
            _log.warning("access of agents that are no more", namespace=namespace, acls=len(stale))
            await self._acls.apply(AclPlan(remove=stale))
        await self._quotas.take(is_left)
        existing = await self._users.observe()
        for user in filter(is_left, sorted(items.keys() & existing.keys())):
            _log.warning("user of an agent that is no more", user=user)
            await self._users.delete(user)
        for item in gone:
            self._swept(item)
        # Last: whatever ends before that is found again. Without its item, what a new agent has is a stranger's.
        await self._inventory.forget([item for item in gone if self._is_gone(item)])
        for agent in sorted({item.agent for item in gone} & existing_agents(self._cluster, namespace)):
            self._wake(Key("AgentDeployment", namespace, agent))  # made again meanwhile: something may be gone too

    def _is_gone(self, item: UserItem) -> bool:
        key = Key("AgentDeployment", item.namespace, item.agent)
        agent = self._cluster.get(AgentDeployment, item.namespace, item.agent)
        return agent is None and key not in self._cluster.unreadable()

    def _is_empty(self, namespace: str) -> bool:
        """Tell whether nothing is in a namespace that could drift; what comes into it wakes its key."""
        known = self._logs.complete and namespace != SYSTEM
        return known and not self._has(namespace, AgentDeployment, Policy, TopicContract)

    def _has(self, namespace: str, *kinds: type[AgentDeployment | Policy | TopicContract]) -> bool:
        names = {kind.__name__ for kind in kinds}
        return any(self._cluster.list(kind, namespace) for kind in kinds) or any(
            key.namespace == namespace and key.kind in names for key in self._cluster.unreadable()
        )


def _named_like_an_installation(namespace: str) -> str:
    names = InstallationNames(namespace)
    return (
        f"another installation in this Kafka is called {namespace!r}: it has signed what stands on "
        f"{names.guardrails!r}, and {names.inventory!r} is its inventory. Nothing is made here, as topics of this "
        "namespace could be its own: use another namespace"
    )


def _taken(names: NamespaceNames) -> str:
    return (
        f"another installation has the namespace {names.namespace!r} in this Kafka: it has made the topic "
        f"{names.policies!r}, and nothing is made, changed or taken away here. Use another namespace; or, if that "
        "installation is no more, delete the topic, which ends all that its gates go by; or, if it was this one, and "
        f"its inventory is lost, say so: streamwarden inventory adopt namespace/{names.namespace}"
    )
