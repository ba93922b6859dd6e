"""Brings an agent up in the one order that leaves no way round its gate; ``removal`` brings it down.

contracts → decision topic → users, Secrets, gate's ACLs → published binding → offsets → agent's ACLs → pods.

An agent deleted and made again under its name (another uid) gets a new binding and goes on where the gate's group
stopped, if every partition's audit chain is intact: what the earlier one left unjudged is judged by the policies of
now. A decision topic that is another one than the binding says is ``OffsetsLost``: nobody goes on by himself.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from streamwarden_contract.models import AgentDeployment, Condition, TopicContract
from streamwarden_contract.models.agent_deployment import AgentDeploymentStatus
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.policylog import BindingRecord
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired import status as conditions
from streamwarden_operator.desired.acceptance import accept_agent
from streamwarden_operator.desired.agents import ResolvedAgent, resolve_agent
from streamwarden_operator.desired.management import held_conditions, is_held
from streamwarden_operator.desired.policy_log import build_binding
from streamwarden_operator.desired.topics import build_decision_topic
from streamwarden_operator.desired.workload import build_workload
from streamwarden_operator.errors import NotReadyError, OperatorError, UnavailableError
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.topics import keep_partitions, plan_topic
from streamwarden_operator.ports import Cluster, Topic, Topics
from streamwarden_operator.reconcilers.agents.access import AgentAccess, BypassPossibleError
from streamwarden_operator.reconcilers.agents.removal import FINALIZER, AgentRemoval
from streamwarden_operator.reconcilers.agents.status import READY, AgentStatuses
from streamwarden_operator.reconcilers.policies.live_acks import LiveAcks
from streamwarden_operator.reconcilers.policies.log_book import LogBook
from streamwarden_operator.reconcilers.policies.rollout import GATE_READY, gate_condition, is_asleep
from streamwarden_operator.reconcilers.scaling.scale_book import ScaleBook
from streamwarden_operator.result import GONE, Result

ACCEPTED = "Accepted"
TOPICS_READY = "TopicsReady"
ACCESS_READY = "AccessReady"

MAX_POLICIES = 64
"""Shown in the status, which has to stay small; the binding names all of them."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What all pods share."""

    operator_namespace: str
    public_keys: str
    """JSON of ``public-keys.json``."""


@dataclass(slots=True)
class _Progress:
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

    def holds(self, kind: str) -> None:
        self.found[kind] = conditions.true(kind)


class AgentReconciler:
    """Observes, plans and applies one agent at a time; what woke it does not matter."""

    def __init__(  # noqa: PLR0913  # each is a port or what one needs of it; all but two by name
        self,
        cluster: Cluster,
        topics: Topics,
        *,
        access: AgentAccess,
        acks: LiveAcks,
        book: LogBook,
        scaling: ScaleBook,
        pods: PodSettings,
        wake: Callable[[Key], None],
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """Make a reconciler.

        Args:
            cluster: the Kubernetes side.
            topics: Kafka's topics.
            access: users, Secrets, ACLs, offsets.
            acks: what gates report.
            book: what is published; the agent's wish is written into it.
            scaling: how many pods there are and why; the agent's pods are noted in it.
            pods: what all pods share.
            wake: told the keys of what has something to do for this agent: policy log, namespace, policies.
            clock: the time for conditions.
        """
        self._cluster = cluster
        self._topics = topics
        self._access = access
        self._acks = acks
        self._book = book
        self._scaling = scaling
        self._pods = pods
        self._wake = wake
        self._clock = clock
        self._statuses = AgentStatuses(cluster, clock)
        self._removal = AgentRemoval(cluster, access, book, scaling, statuses=self._statuses, wake=wake, clock=clock)

    async def reconcile(self, key: Key) -> Result:
        """Bring the agent as far as it can come now, and write its status; one that is gone is undone.

        Raises:
            UnavailableError: a backend did not answer. The status is written all the same, and says so.
        """
        agent = self._cluster.get(AgentDeployment, key.namespace, key.name)
        if agent is None:
            await self._clear_up(key)
            return GONE
        status = await self._reconcile(agent)
        if is_asleep(agent.status) != is_asleep(status):
            for policy in self._book.policies_of(key.namespace, key.name):
                self._wake(policy)
        await self._acks.forget_gone(key.namespace, key.name, exists=True)
        return Result(status_changed=status != agent.status)

    async def _clear_up(self, key: Key) -> None:
        if not self._book.complete or key in self._cluster.unreadable():
            return
        gone = await self._removal.abandon(key.namespace, key.name)
        self._wake(Key("PolicyLog", key.namespace))
        if gone:
            await self._acks.forget_gone(key.namespace, key.name, exists=False)

    async def _reconcile(self, agent: AgentDeployment) -> AgentDeploymentStatus:
        if agent.metadata.deletion_timestamp is not None:
            return await self._removal.delete(agent)
        if is_held(agent.metadata):
            held = held_conditions(agent.metadata, agent.status.conditions, now=self._clock())
            status = agent.status.model_copy(update={"conditions": held})
            await self._statuses.write(agent, status)
            return status
        namespace = agent.metadata.namespace
        contracts = {contract.metadata.name: contract for contract in self._cluster.list(TopicContract, namespace)}
        refusals = accept_agent(agent, contracts, self._book.installation.installation)
        if refusals:
            message = "; ".join(f"{refusal.field}: {refusal.message}" for refusal in refusals)
            accepted = conditions.condition(ACCEPTED, "False", refusals[0].reason, message)
            return await self._report(agent, accepted, _Progress(replicas=agent.status.replicas))
        await self._cluster.set_finalizer(agent, FINALIZER, present=True)
        progress, outage = _Progress(replicas=agent.status.replicas), None
        try:
            await self._bring_up(resolve_agent(agent, contracts), progress)
        except BypassPossibleError as error:
            await self._cluster.delete_workload(namespace, agent.metadata.name)
            self._scaling.forget(namespace, agent.metadata.name)
            progress.replicas = 0
            progress.found[ACCESS_READY] = conditions.failed(ACCESS_READY, error)
        except OperatorError as error:
            progress.found[progress.step] = conditions.failed(progress.step, error)
            outage = error if isinstance(error, UnavailableError) else None
        status = await self._report(agent, conditions.true(ACCEPTED), progress)
        if outage is not None:
            raise outage
        return status

    async def _bring_up(self, agent: ResolvedAgent, progress: _Progress) -> None:
        progress.step = ACCESS_READY
        observed = await self._access.check_bypass(agent)
        progress.step = TOPICS_READY
        decisions, audit = await self._ready_topics(agent)
        progress.holds(TOPICS_READY)
        progress.step = ACCESS_READY
        credentials_hash = await self._access.give_to_gate(agent, observed)
        progress.step = GATE_READY
        binding = self._published_binding(agent, decisions, audit)
        progress.step = ACCESS_READY
        await self._access.give_to_agent(agent, observed)
        progress.holds(ACCESS_READY)
        progress.step = GATE_READY
        workload = build_workload(
            agent,
            operator_namespace=self._pods.operator_namespace,
            installation=self._book.installation.installation,
            public_keys=self._pods.public_keys,
            credentials_hash=credentials_hash,
        )
        workload = replace(workload, replicas=self._scaling.replicas_of_new(agent.resource))
        state = await self._cluster.apply_workload(workload)
        self._scaling.observe(agent, state)
        progress.replicas, progress.pods_ready, progress.crashing = state.replicas, state.ready > 0, state.crashing
        progress.asleep = state.desired == 0
        acks = self._acks.of_namespace(agent.names.namespace)
        progress.found[GATE_READY] = gate_condition(binding, acks, asleep=progress.asleep)

    async def _ready_topics(self, agent: ResolvedAgent) -> tuple[Topic, Topic]:
        """Return decision topic and audit topic, once everything that the agent needs is there."""
        names, inputs = agent.names, agent.input_topics
        for contract in agent.contracts:
            if not conditions.is_true(contract.status.conditions, "TopicReady"):
                ref = contract.metadata.name
                raise NotReadyError(f"the TopicContract {ref!r} has no topic yet; its own status says why")
        shared = names.shared
        needed = (shared.audit, shared.dead_letters, shared.policies, shared.gates)
        observed = await self._topics.observe({names.decisions, *needed, *inputs})
        log = self._book.published.get(names.namespace)
        if log is None or any(name not in observed for name in needed):
            self._wake(Key("Namespace", names.namespace))
            message = f"the topics that the agents of {names.namespace!r} share are being made"
            raise NotReadyError(message, reason=ConditionReason.PENDING)
        missing = sorted(name for name in inputs if name not in observed)
        if missing:
            raise NotReadyError(f"the topics {', '.join(missing)} are not there")
        self._check_same_topic(log.state.bindings.get(names.agent), observed.get(names.decisions))
        partitions = max(observed[name].partitions for name in inputs)
        known = observed.get(names.decisions)
        plan = plan_topic(keep_partitions(build_decision_topic(names, partitions=partitions), known), known, keyed=True)
        if plan:
            await self._topics.apply(names.decisions, plan)
            observed = {**observed, **await self._topics.observe({names.decisions})}
        return observed[names.decisions], observed[shared.audit]

    def _check_same_topic(self, binding: BindingRecord | None, decisions: Topic | None) -> None:
        """Refuse to go on where the decision topic vanished or was made anew: its undecided records are lost."""
        if binding is None or (decisions is not None and decisions.topic_id == binding.decision_topic.topic_id):
            return
        what = "was deleted and made again" if decisions is not None else "was deleted"
        raise NotReadyError(
            f"the decision topic {binding.decision_topic.name!r} {what}: its records and the gate's place in them are "
            "lost. To begin anew, delete this AgentDeployment and make it again",
            reason=ConditionReason.OFFSETS_LOST,
        )

    def _published_binding(self, agent: ResolvedAgent, decisions: Topic, audit: Topic) -> BindingRecord:
        """Ask for the agent's binding, and return it once it is published."""
        key = (agent.names.namespace, agent.names.agent)
        wanted = build_binding(agent, decisions=decisions, audit=audit)
        if self._book.wanted.get(key) != wanted:
            self._book.wanted[key] = wanted
            self._wake(Key("PolicyLog", key[0]))
        log = self._book.published[key[0]]
        if names := log.withheld.get(key[1]):
            raise NotReadyError(
                f"the policies {', '.join(names)} select this agent and have never been valid: until they are mended "
                "or deleted it keeps its last binding, or judges nothing",
                reason=ConditionReason.INVALID_EXPRESSION,
            )
        record = log.state.bindings.get(key[1])
        if record is None or not wanted.describes(record):
            reason = ConditionReason.NOT_PUBLISHED if log.outage else ConditionReason.PENDING
            raise NotReadyError(str(log.outage or "the agent's binding is about to be published"), reason=reason)
        return record

    async def _report(self, agent: AgentDeployment, accepted: Condition, progress: _Progress) -> AgentDeploymentStatus:
        scaling = self._scaling.shown(agent)
        new = [accepted, *progress.found.values(), *filter(None, [scaling.active])]
        ready = conditions.summarize(new)
        if ready.status == "True" and progress.asleep:
            ready = progress.found[GATE_READY].model_copy(update={"type": READY})
        elif ready.status == "True" and not progress.pods_ready:
            message = "no pod of the agent has joined its consumer group yet"
            ready = conditions.condition(READY, "False", ConditionReason.AGENT_NOT_READY, message)
        if progress.crashing:
            ready = conditions.condition(READY, "False", ConditionReason.CRASHING, progress.crashing)
        binding = self._book.binding(agent.metadata.namespace, agent.metadata.name)
        refs = binding.policies if binding is not None and binding.agent_uid == agent.metadata.uid else ()
        refs = refs[:MAX_POLICIES]
        generation = agent.metadata.generation
        found = AgentDeploymentStatus(
            observed_generation=generation,
            conditions=conditions.build_conditions(
                agent.status.conditions, [*new, ready], generation=generation, now=self._clock()
            ),
            replicas=progress.replicas,
            policies=tuple(PolicyRef(namespace=ref.namespace, name=ref.name, revision=ref.revision) for ref in refs),
            lag=scaling.lag,
            last_scaling=scaling.last_scaling,
        )
        await self._statuses.write(agent, found)
        return found
