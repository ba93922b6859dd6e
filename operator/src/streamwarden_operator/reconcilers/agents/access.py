"""An agent's users, Secrets and ACLs, and the order in which they come and go: narrow first, then widen."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field

from streamwarden_contract.inventory import UserItem
from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.names import AgentNames, InstallationNames
from streamwarden_contract.policylog import BindingRecord
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.acl_index import indexed
from streamwarden_operator.desired.acls import acls_of, agent_acls, format_acl, gate_acls
from streamwarden_operator.desired.agents import ResolvedAgent
from streamwarden_operator.desired.bypass import ways_round
from streamwarden_operator.desired.checks.agents import READY
from streamwarden_operator.desired.names import ROTATE_CREDENTIALS_ANNOTATION
from streamwarden_operator.desired.status import is_true
from streamwarden_operator.errors import ForbiddenError, GroupInUseError, NotReadyError
from streamwarden_operator.plans.acls import plan_acls
from streamwarden_operator.plans.offsets import epochs_seen, plan_offsets
from streamwarden_operator.plans.skips import SkipPlan, plan_skips
from streamwarden_operator.ports import Acl, AclPlan, Acls, Cluster, Offsets, Topic
from streamwarden_operator.reconcilers.agents.looks import Looks
from streamwarden_operator.reconcilers.agents.quotas import AgentQuotas
from streamwarden_operator.reconcilers.agents.users import AgentUsers, KeptUsers
from streamwarden_operator.reconcilers.existence import existing_agents


class BypassPossibleError(NotReadyError):
    """Somebody else may do what only an agent and its gate may: no pods may run."""

    reason = ConditionReason.BYPASS_POSSIBLE


@dataclass(frozen=True, slots=True)
class AgentAccess:
    """Gives and takes what an agent and its gate may do in Kafka, and how much of it."""

    cluster: Cluster
    acls: Acls
    users: AgentUsers
    offsets: Offsets
    quotas: AgentQuotas
    installation: InstallationNames
    trusted: frozenset[str] = frozenset()
    """Principals whose rights are no way round a gate, the operator's own among them."""
    looks: Looks = field(default_factory=Looks)

    async def check_bypass(self, agent: ResolvedAgent) -> AbstractSet[Acl]:
        """Return every ACL of the cluster, if none lets somebody round this agent's gate.

        For an agent that does not stand, as before its first pods start, they are those of some seconds ago at most.

        Raises:
            BypassPossibleError: names the ACLs.
        """
        observed = await self.acls.observe(lately=is_doubted(agent))
        found = self._ways_round(agent, observed)
        if found and await self._prove_others(agent, found):
            found = self._ways_round(agent, observed)
        if found:
            listed = "; ".join(format_acl(acl) for acl in sorted(found))
            raise BypassPossibleError(
                "these ACLs let others write what the gate governs, or read, join or fence what is the agent's and the "
                f"gate's alone: {listed}. Delete them, or name who may be trusted in STREAMWARDEN_TRUSTED_PRINCIPALS; "
                "no pod runs until then"
            )
        return observed

    def _ways_round(self, agent: ResolvedAgent, observed: AbstractSet[Acl]) -> frozenset[Acl]:
        """Return what leads round a gate: also a right of who is called like an agent, and is not one of ours.

        An AgentDeployment does not make ours what a stranger has made of its name, whether its own pass has come or
        not. Those count too that cannot be read.
        """
        namespace = agent.names.namespace
        living: AbstractSet[str] = existing_agents(self.cluster, namespace)
        lent = (indexed(observed).agents(namespace) & living) - self.users.inventory.made_agents(namespace)
        # No copy, where there is no need: each agent asks, and what comes of these names is remembered.
        return ways_round(self.installation, self.trusted, observed, agent, living - lent if lent else living)

    async def _prove_others(self, agent: ResolvedAgent, found: frozenset[Acl]) -> bool:
        """Prove that those in the way are other agents of ours, as of an inventory that has lost them; any of them."""
        namespace, proven = agent.names.namespace, False
        principals = {acl.principal.removeprefix("User:") for acl in found}
        for name in sorted(existing_agents(self.cluster, namespace) - self.users.inventory.made_agents(namespace)):
            other, names = self.cluster.get(AgentDeployment, namespace, name), AgentNames(namespace, name)
            if other is not None and principals & {names.agent_principal, names.gate_principal}:
                with suppress(ForbiddenError):  # nobody may read its Secrets: it is proven by nothing
                    proven |= await self.users.prove(names, other.metadata.uid)
        return proven

    async def give_to_gate(
        self, agent: ResolvedAgent, observed: AbstractSet[Acl], published: BindingRecord | None = None
    ) -> KeptUsers:
        """Make users and Secrets, take back what is too much, give the gate its rights; return the users.

        Args:
            agent: the agent.
            observed: every ACL of the cluster.
            published: its binding in force: pods go by it until the next one is published, and it may be held back.
        """
        names = agent.names
        kept = await self._keep_users(agent, observed)
        gate = gate_acls(self.installation, names, agent.command_topics)
        owned = acls_of(observed, names.agent_principal, names.gate_principal) - self._in_use(agent, published)
        desired = gate | agent_acls(names, agent.input_topics)
        plan = plan_acls(desired, observed, owned)
        # The agent's own come later: it may not write before its gate knows where to begin.
        now = AclPlan(remove=plan.remove, add=plan.add & gate)
        if now:
            await self.acls.apply(now)
        return kept

    async def give_to_agent(
        self, agent: ResolvedAgent, decisions: Topic, observed: AbstractSet[Acl]
    ) -> tuple[int, int]:
        """Commit where the gate begins, then let the agent write, within its quotas.

        Returns:
            The highest epochs of namespace and guardrails under which a gate has judged.

        Raises:
            NotReadyError: ``OffsetsLost``; nothing is given, and what the agent had is taken back.
            GroupInUseError: somebody has added partitions under a gate that runs.
            QuotaRefusedError: nothing more is given.
        """
        names, asked = agent.names, (decisions.topic_id, decisions.partitions)
        epochs = self.looks.epochs.find(names, asked)
        if epochs is None:
            epochs = await self._keep_offsets(agent, decisions, observed)
            await self.quotas.keep(names.agent_principal)
            self.looks.epochs.note(names, asked, epochs)
        desired = agent_acls(names, agent.input_topics)
        plan = plan_acls(desired, observed, frozenset())
        if plan:
            await self.acls.apply(plan)
        return epochs

    async def plan_skips(self, agent: ResolvedAgent, decisions: Topic) -> SkipPlan:
        """Tell which of the agent's ``skips`` its gate is to pass over; Kafka is only asked where there are any."""
        requests = agent.resource.spec.skips
        if not requests:
            return SkipPlan()
        observed = await self.offsets.observe(agent.names.gate_group, decisions.name)
        return plan_skips(requests, decisions, observed)

    def forget_swept(self, item: UserItem) -> None:
        """Remember nothing more of a user that was swept: an agent of this name that is made again looks itself."""
        self.users.forget_swept(item)
        self.looks.forget(AgentNames(item.namespace, item.agent))

    async def revoke(self, namespace: str, agent: str) -> None:
        """Take everything that is ours: ACLs, then users, Secrets and quotas. What is gone already is success."""
        names = AgentNames(namespace, agent)
        self.looks.forget(names)
        owned = await self.users.owned(names)
        await self._take(await self.acls.observe(lately=True), *owned.ours)
        await self.users.take(names, owned)
        await self.quotas.take(lambda user: user in owned.ours and user == names.agent_principal)
        await self.users.forget(owned.ours)  # last: whatever ends before that is found again

    def distrust(self, names: AgentNames) -> None:
        """Have all looked at before pods start: others could have moved offsets, or made tokens of its users."""
        self.looks.forget(names)
        for user in (names.agent_principal, names.gate_principal):
            self.users.tries.forget(user)

    def _in_use(self, agent: ResolvedAgent, published: BindingRecord | None) -> frozenset[Acl]:
        """Return what an agent and its gate may do by a published binding; an earlier agent's gives nothing."""
        if published is None or published.agent_uid != agent.resource.metadata.uid:
            return frozenset()
        commands = [target.topic for target in published.decisions.values()]
        return gate_acls(self.installation, agent.names, commands) | agent_acls(agent.names, published.inputs)

    async def _keep_users(self, agent: ResolvedAgent, observed: AbstractSet[Acl]) -> KeptUsers:
        """Bring users and Secrets to what is wanted; once they are, they are looked at now and then."""
        names, metadata = agent.names, agent.resource.metadata
        principals = (names.agent_principal, names.gate_principal)
        rotation = metadata.annotations.get(ROTATE_CREDENTIALS_ANNOTATION, "")

        def asked() -> object:
            return tuple(map(self.users.inventory.user, principals))

        known = self.looks.users.find(names, asked())
        if known is not None and (names.namespace, names.agent) not in self.users.not_kept:
            return KeptUsers(known, {})
        granted = [user for user in principals if acls_of(observed, user)]
        kept = await self.users.keep(names, metadata.uid, granted=granted, doubted=is_doubted(agent), rotation=rotation)
        if not kept.beside:  # a rotation goes on with each pass
            self.looks.users.note(names, asked(), kept.credentials_hash)
        return kept

    async def _keep_offsets(
        self, agent: ResolvedAgent, decisions: Topic, observed: AbstractSet[Acl]
    ) -> tuple[int, int]:
        """Let the gate know where to begin in each partition, and return the epochs under which one has judged."""
        try:
            found = await self.offsets.observe(agent.names.gate_group, decisions.name)
            initial = plan_offsets(decisions, found)
        except NotReadyError:
            await self._take(observed, agent.names.agent_principal)
            raise
        if initial:
            await self._begin(agent, decisions.name, initial)
        return epochs_seen(decisions, found)

    async def _begin(self, agent: ResolvedAgent, topic: str, initial: Mapping[int, tuple[int, str]]) -> None:
        """Commit where the gate begins, which only the group's members may once it has any."""
        names = agent.names
        try:
            await self.offsets.commit(names.gate_group, topic, initial)
        except GroupInUseError as error:
            added = ", ".join(map(str, sorted(initial)))
            raise GroupInUseError(
                f"topic {topic!r} has got the partitions {added} while its gate runs, which cannot be told where to "
                f"begin in them: nothing there is judged. Delete the Deployment {names.agent!r} in the namespace "
                f"{names.namespace!r}: it is made again once the gate's group is empty and knows a beginning of each"
            ) from error

    async def _take(self, observed: AbstractSet[Acl], *principals: str) -> None:
        plan = AclPlan(remove=acls_of(observed, *principals))
        if plan:
            await self.acls.apply(plan)


def is_doubted(agent: ResolvedAgent) -> bool:
    """Tell whether the agent does not stand, for which something may be the reason that was looked at before."""
    return not is_true(agent.resource.status.conditions, READY)
