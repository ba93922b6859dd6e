"""Brings an agent up in the one order that leaves no way round its gate; ``removal`` brings it down.

contracts → decision topic → users, Secrets, gate's ACLs → published binding → offsets → agent's ACLs → pods.

An agent deleted and made again under its name (another uid) gets a new binding and goes on where the gate's group
stopped, if every partition's audit chain is intact: what the earlier one left unjudged is judged by the policies of
now. A decision topic that is another one than the binding says is ``OffsetsLost``: nobody goes on by himself.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from streamwarden_contract.acks import GateAck
from streamwarden_contract.models import AgentDeployment, TopicContract
from streamwarden_contract.models.agent_deployment import AgentDeploymentStatus
from streamwarden_contract.names import SYSTEM
from streamwarden_contract.policylog import BindingRecord
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.clock import utc_now
from streamwarden_operator.desired import status as conditions
from streamwarden_operator.desired.acceptance import ACCEPTED, accept_agent, accept_event_schemas, accepted
from streamwarden_operator.desired.agents import ResolvedAgent, awaited_schemas, is_taken, keep_schemas, resolve_agent
from streamwarden_operator.desired.checks import agents as checks
from streamwarden_operator.desired.checks.agents import ACCESS_READY, GATE_READY, TOPICS_READY, is_asleep
from streamwarden_operator.desired.checks.chain import Finding, decide, first_finding
from streamwarden_operator.desired.event_schemas import keep_event_schemas
from streamwarden_operator.desired.management import held_status, is_held
from streamwarden_operator.desired.policy_log import DesiredBinding, build_binding
from streamwarden_operator.desired.runnable_rules import rules_that_cannot_run
from streamwarden_operator.desired.topics import build_decision_topic
from streamwarden_operator.desired.workload import build_workload, read_formats
from streamwarden_operator.errors import (
    CannotGoOnError,
    KafkaUnavailableError,
    NotReadyError,
    OperatorError,
    UnavailableError,
)
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.plans.older_gates import is_past
from streamwarden_operator.plans.rollout import common_decision_format, live_gates
from streamwarden_operator.plans.topics import keep_partitions, plan_topic
from streamwarden_operator.ports import Cluster, Topic, Topics
from streamwarden_operator.reconcilers.agents.access import AgentAccess, BypassPossibleError, is_doubted
from streamwarden_operator.reconcilers.agents.looks import bare
from streamwarden_operator.reconcilers.agents.removal import FINALIZER, AgentRemoval
from streamwarden_operator.reconcilers.agents.status import AgentStatuses, Progress
from streamwarden_operator.reconcilers.existence import unread_contracts
from streamwarden_operator.reconcilers.policies.live_acks import LiveAcks
from streamwarden_operator.reconcilers.policies.log_store import LogStore
from streamwarden_operator.reconcilers.scaling.scaling_store import ScalingStore
from streamwarden_operator.result import GONE, Result

_SAID_AFTER_S = 5.0
"""A new agent that waits for what the operator itself is about to do says so only then: each status is a write."""


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What all pods share."""

    operator_namespace: str
    public_keys: Callable[[], str]
    """Returns the JSON of ``public-keys.json`` as it is now."""


class AgentReconciler:
    """Observes, plans and applies one agent at a time; what woke it does not matter."""

    def __init__(  # noqa: PLR0913  # each is a port or what one needs of it; all but two by name
        self,
        cluster: Cluster,
        topics: Topics,
        *,
        access: AgentAccess,
        acks: LiveAcks,
        logs: LogStore,
        scaling: ScalingStore,
        pods: PodSettings,
        wake: Callable[[Key], None],
        want: Callable[[Key], None],
        has_registry: bool = True,
        clock: Callable[[], datetime] = utc_now,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a reconciler.

        Args:
            cluster: the Kubernetes side.
            topics: Kafka's topics.
            access: users, Secrets, ACLs, offsets.
            acks: what gates report.
            logs: what is published; the agent's wish is written into it.
            scaling: how many pods there are and why; the agent's pods are noted in it.
            pods: what all pods share.
            wake: called with the keys of what has something to do for this agent: policy log, namespace, policies.
            want: called with the key of the policy log when a binding is wanted, which may wait a moment for others.
            has_registry: whether a schema must be registered before gates judge by it.
            clock: the time for conditions.
            clock_s: seconds, to tell how long an agent has been new.
        """
        self._cluster = cluster
        self._topics = topics
        self.access = access
        """Of all agents, with what is remembered of them."""
        self._acks = acks
        self._logs = logs
        self._scaling = scaling
        self._pods = pods
        self._wake, self._want = wake, want
        self._has_registry = has_registry
        self._clock, self._clock_s = clock, clock_s
        self._begun_s: dict[Key, float] = {}
        """When agents were first looked at of which nothing is said yet."""
        self._statuses = AgentStatuses(cluster, logs, scaling, clock)
        self._removal = AgentRemoval(
            cluster, access, logs, scaling, acks=acks, statuses=self._statuses, wake=wake, clock=clock
        )

    async def reconcile(self, key: Key) -> Result:
        """Bring the agent as far as it can come now, and write its status; one that is gone is undone.

        Raises:
            UnavailableError: a backend did not answer. The status is written all the same, and says so.
        """
        held = self._logs.held_back(key.namespace).agents.get(key.name)
        if held is not None and is_past(held, self._acks.of_namespace(key.namespace)):
            self._wake(Key("PolicyLog", key.namespace))  # a killed gate does not say that it has ended
        agent = self._cluster.get(AgentDeployment, key.namespace, key.name)
        leaving = self._cluster.unreadable().get(key) or agent
        if leaving is not None and leaving.metadata.deletion_timestamp is not None:
            result = await self._removal.delete(leaving)
            await self._acks.forget_gone(key.namespace, key.name, exists=True)
            return result
        if agent is None:
            await self._clear_up(key)
            return GONE
        status = await self._reconcile(agent)
        if is_asleep(agent.status) != is_asleep(status):
            for policy in self._logs.policies_of(key.namespace, key.name):
                self._wake(policy)
        await self._acks.forget_gone(key.namespace, key.name, exists=True)
        if key in self._begun_s and not status.observed_generation:
            return Result(requeue_after_s=_SAID_AFTER_S)
        self._begun_s.pop(key, None)
        doubted = not conditions.is_true(status.conditions, checks.READY)
        left_s = self.access.looks.left_s((key.namespace, key.name), doubted=doubted)
        return Result(status_changed=status != agent.status, resync_within_s=left_s)

    async def _clear_up(self, key: Key) -> None:
        if key in self._cluster.unreadable():
            self.access.users.not_kept.add((key.namespace, key.name))
            return
        if not self._logs.complete:
            return
        await self._removal.abandon(key.namespace, key.name)
        self._logs.released.pop((key.namespace, key.name), None)
        self._begun_s.pop(key, None)
        self._wake(Key("PolicyLog", key.namespace))

    async def _reconcile(self, agent: AgentDeployment) -> AgentDeploymentStatus:
        who = agent.metadata.namespace, agent.metadata.name
        if is_held(agent.metadata):
            self.access.users.not_kept.add(who)
            self._begun_s.pop(key_of(agent), None)
            status = held_status(agent.metadata, agent.status, now=self._clock())
            await self._statuses.write(agent, status)
            return status
        namespace = agent.metadata.namespace
        contracts = {contract.metadata.name: contract for contract in self._cluster.list(TopicContract, namespace)}
        refusals = [
            *accept_agent(
                agent, contracts, self._logs.installation.installation, unread_contracts(self._cluster, namespace)
            ),
            *accept_event_schemas(agent, contracts.values()),
        ]
        progress = Progress(replicas=agent.status.replicas)
        if not refusals:
            resolved = resolve_agent(agent, contracts)
            earlier = self._earlier_schemas(resolved)
            # While the new schemas of some contracts are taken and those of others are not, all of them must fit.
            refusals = accept_event_schemas(agent, contracts.values(), earlier)
            if not refusals:
                return await self._keep(self._as_in_force(resolved, earlier), progress)
        self.access.users.not_kept.add(who)
        return await self._statuses.report(agent, accepted(refusals), progress)

    async def _keep(self, resolved: ResolvedAgent, progress: Progress) -> AgentDeploymentStatus:
        """Bring up an accepted agent as far as it can come now."""
        agent = resolved.resource
        namespace, outage = agent.metadata.namespace, None
        try:
            self._logs.demand_claim(namespace)
            await self._cluster.set_finalizer(agent, FINALIZER, present=True)
            await self._bring_up(resolved, progress)
        except BypassPossibleError as error:
            self.access.distrust(resolved.names)
            await self._cluster.delete_workload(namespace, agent.metadata.name)
            self._scaling.forget(namespace, agent.metadata.name)
            progress.replicas = 0
            progress.found[ACCESS_READY] = conditions.failed(ACCESS_READY, error)
        except CannotGoOnError:
            raise  # whoever takes over says what is to be said
        except OperatorError as error:
            if error.reason is not ConditionReason.PENDING:
                self.access.looks.forget(resolved.names)  # what was seen last does not explain it
            progress.found[progress.step] = conditions.failed(progress.step, error)
            outage = error if isinstance(error, UnavailableError) else None
            if _passes(error, resolved) and self._is_new(agent):
                return agent.status
        log = self._logs.published.get(namespace)
        accepted_as = checks.AcceptedAgent(
            self._logs.binding(namespace, agent.metadata.name),
            log.state.policies if log else {},
            progress.skips.refused if progress.skips is not None else "",
        )
        status = await self._statuses.report(agent, decide(ACCEPTED, checks.ACCEPTANCE, accepted_as), progress)
        if outage is not None:
            raise outage
        fell = not is_doubted(resolved) and not conditions.is_true(status.conditions, checks.READY)
        if fell and self.access.looks.drop(resolved.names):
            self._wake(key_of(agent))  # they are of when all was well: the next pass finds why it is not
        return status

    def _is_new(self, agent: AgentDeployment) -> bool:
        """Tell whether nothing was said of the agent yet, and nothing need be: it was first looked at a moment ago."""
        now_s = self._clock_s()
        begun_s = self._begun_s.setdefault(key_of(agent), now_s)
        return not agent.status.observed_generation and now_s - begun_s < _SAID_AFTER_S

    def _as_in_force(self, agent: ResolvedAgent, earlier: Mapping[str, str]) -> ResolvedAgent:
        """Return the agent with the schemas that judge: earlier ones, by topic, where what is said now is not taken."""
        metadata = agent.resource.metadata
        log = self._logs.published.get(metadata.namespace)
        resolved = keep_event_schemas(agent, earlier, has_registry=self._has_registry)
        if log is None:
            return resolved
        published = log.state.bindings.get(metadata.name)
        return keep_schemas(resolved, published, log.state.schemas, earlier=earlier, has_registry=self._has_registry)

    def _earlier_schemas(self, agent: ResolvedAgent) -> dict[str, str]:
        """Return by topic what is registered or others are judged by, where the contract's schema is not taken."""
        namespace = agent.resource.metadata.namespace
        waiting = {
            contract.spec.topic_name
            for contract in agent.contracts
            if not is_taken(contract, has_registry=self._has_registry)
        }
        found = {topic: self._logs.earlier_schema(namespace, topic) for topic in sorted(waiting)}
        return {topic: text for topic, text in found.items() if text is not None}

    async def _bring_up(self, agent: ResolvedAgent, progress: Progress) -> None:
        progress.step = ACCESS_READY
        wish = agent.resource.metadata
        said = wish.uid, wish.generation, wish.labels, wish.annotations
        self.access.looks.begin(agent.names, said, doubted=is_doubted(agent))
        observed = await self.access.check_bypass(agent)
        progress.step = TOPICS_READY
        decisions, audit, topics = await self._ready_topics(agent)
        progress.found[TOPICS_READY] = decide(TOPICS_READY, checks.TOPICS_HOLD, topics)
        progress.step = ACCESS_READY
        in_force = self._logs.binding(agent.names.namespace, agent.names.agent)
        users = await self.access.give_to_gate(agent, observed, in_force)
        progress.step = GATE_READY
        progress.skips = skips = await self.access.plan_skips(agent, decisions)
        wanted = build_binding(agent, decisions=decisions, audit=audit, skips=skips.wanted)
        binding = self._published_binding(wanted)
        progress.step = ACCESS_READY
        self._see_epochs(binding.namespace, await self.access.give_to_agent(agent, decisions, observed))
        progress.holds(ACCESS_READY)
        progress.step = GATE_READY
        acks = self._acks.of_agent(binding.namespace, binding.agent)
        gates = live_gates(acks, {binding.agent: binding.agent_uid})
        _demand(first_finding(checks.REPLACEMENT, self._replacement(binding, gates)))
        workload = build_workload(
            agent,
            operator_namespace=self._pods.operator_namespace,
            installation=self._logs.installation.installation,
            public_keys=self._pods.public_keys(),
            credentials_hash=users.credentials_hash,
            decision_format=await self._decision_format(binding, gates),
        )
        workload = replace(workload, replicas=self._scaling.replicas_of_new(agent.resource))
        state = await self._cluster.apply_workload(workload)
        self._scaling.observe(agent, state)
        progress.found[ACCESS_READY] = decide(ACCESS_READY, checks.ACCESS, checks.AgentPasswords(users.beside, state))
        if not state.outdated:
            await self.access.users.take_passwords_beside(agent.names, users)
        progress.replicas, progress.pods_ready = state.replicas, state.ready > 0
        progress.crashing, progress.unscheduled = state.crashing, state.unscheduled
        progress.asleep = state.desired == 0
        too_new = self._logs.too_new_for(binding.namespace, binding.agent)
        found = checks.AgentGates(gates, progress.asleep, too_new)
        progress.found[GATE_READY] = decide(GATE_READY, checks.GATES, found)

    def _see_epochs(self, namespace: str, epochs: tuple[int, int]) -> None:
        """Have a log written anew that is behind what gates have judged under: they refuse it."""
        for of, epoch in zip((namespace, SYSTEM), epochs, strict=True):
            if self._logs.see(of, epoch):
                self._wake(Key("PolicyLog", of))

    async def _decision_format(self, binding: BindingRecord, gates: Sequence[GateAck]) -> int:
        """Return what the agent may write; what it was told stays while its gates are not known, or none run."""
        text = await self._cluster.applied_formats(binding.namespace, binding.agent)
        complete = self._acks.complete(binding.namespace)
        return common_decision_format(gates, applied=read_formats(text).decision, complete=complete)

    def _replacement(self, binding: BindingRecord, gates: Sequence[GateAck]) -> checks.GateReplacement:
        policies = self._logs.published[binding.namespace].state.policies
        bound = [policies[ref.name] for ref in binding.policies if ref.name in policies]
        cannot_run = {
            record.name: faults
            for record in bound
            if record.spec.failure_action == "Enforce" and (faults := rules_that_cannot_run(record.spec))
        }
        pods = self._cluster.pods(binding.namespace, binding.agent) if cannot_run else ()
        return checks.GateReplacement(pods, gates, cannot_run)

    def _said_of(self, namespace: str, said: Mapping[str, str]) -> str:
        """Return what is wrong with the namespace's shared topics, and with the installation's."""
        return "; ".join(said[of] for of in (namespace, SYSTEM) if of in said)

    async def _ready_topics(self, agent: ResolvedAgent) -> tuple[Topic, Topic, checks.AgentTopics]:
        """Return decision topic and audit topic, once everything that the agent needs is there; and all of them."""
        names, shared = agent.names, agent.names.shared
        _demand(first_finding(checks.CONTRACTS, agent))
        needed = frozenset({names.decisions, shared.audit, shared.dead_letters, shared.policies, shared.gates})
        needed |= {*agent.input_topics}
        asked = self._asked_of_topics(agent, needed)
        known = self.access.looks.topics.find(names, asked)
        observed = await self._topics.observe(needed) if known is None else known
        log, binding = self._logs.published.get(names.namespace), self._logs.binding(names.namespace, names.agent)
        schemas = log.state.schemas if log is not None else {}
        earlier = self._earlier_schemas(agent)
        awaited = awaited_schemas(agent, binding, schemas, earlier=earlier, has_registry=self._has_registry)
        lost, weak = (self._said_of(names.namespace, each) for each in (self._logs.lost_topics, self._logs.weak_topics))
        topics = checks.AgentTopics(agent, observed, log is not None, binding, awaited, lost, weak)
        if not topics.shared_ready:
            self._wake(Key("Namespace", names.namespace))
        _demand(first_finding(checks.TOPICS, topics))
        if known is None:
            observed = await self._keep_decision_topic(agent, observed)
            self.access.looks.topics.note(names, asked, bare(observed))
        return observed[names.decisions], observed[shared.audit], topics

    def _asked_of_topics(self, agent: ResolvedAgent, needed: frozenset[str]) -> object:
        """Return all that a look at an agent's topics goes by: names, contracts as they are, ids of what is shared."""
        versions = tuple((each.metadata.uid, each.metadata.resource_version) for each in agent.contracts)
        shared = self.access.users.inventory.topics_of(agent.names.namespace)
        return needed, versions, tuple(sorted(shared.items()))

    async def _keep_decision_topic(self, agent: ResolvedAgent, observed: Mapping[str, Topic]) -> Mapping[str, Topic]:
        """Bring the decision topic to what is wanted; return all topics as they are then."""
        names = agent.names
        partitions = max(observed[name].partitions for name in agent.input_topics)
        made = observed.get(names.decisions)
        plan = plan_topic(keep_partitions(build_decision_topic(names, partitions=partitions), made), made, keyed=True)
        if not plan:
            return observed
        await self._topics.apply(names.decisions, plan)
        shown = await self._topics.observe({names.decisions})
        if names.decisions not in shown:  # asked of a broker that has just come back
            raise KafkaUnavailableError(f"the topic {names.decisions!r} is made, and not shown yet")
        return {**observed, **shown}

    def _published_binding(self, wanted: DesiredBinding) -> BindingRecord:
        """Ask for an agent's binding, and return it once it is published."""
        namespace, name = wanted.namespace, wanted.agent
        if self._logs.wanted.get((namespace, name)) != wanted:
            self._logs.wanted[namespace, name] = wanted
            self._want(Key("PolicyLog", namespace))
        log = self._logs.published[namespace]
        published = log.state.bindings.get(name)
        withheld = tuple(policy for policy in log.withheld.get(name, ()) if policy not in log.held_back.policies)
        too_new = self._logs.too_new_for(namespace, name)
        binding = checks.AgentBinding(wanted, published, withheld, log.outage, too_new)
        _demand(first_finding(checks.BINDING, binding))
        return log.state.bindings[name]


def _passes(error: OperatorError, agent: ResolvedAgent) -> bool:
    """Tell whether what an agent waits for is about to be: also a contract that says nothing yet, or that it waits."""
    said = (conditions.find_condition(contract.status.conditions, checks.READY) for contract in agent.contracts)
    is_early = any(found is None or found.reason == ConditionReason.PENDING for found in said)
    return error.reason is ConditionReason.PENDING or (is_early and error.reason is ConditionReason.REF_NOT_READY)


def _demand(finding: Finding | None) -> None:
    """Go no further where something was found.

    Raises:
        NotReadyError: says what was found.
    """
    if finding is not None:
        raise NotReadyError(finding.message, reason=ConditionReason(finding.reason))
