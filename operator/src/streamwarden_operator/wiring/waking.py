"""Which keys a change wakes: pure functions from keys and resources to keys, and the one place that calls them.

A key is all that is passed on: no reconciler learns what woke it.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from streamwarden_contract.acks import GateAck, RefusedEvents
from streamwarden_contract.models import AgentDeployment, Policy, TopicContract
from streamwarden_contract.names import SYSTEM

from streamwarden_operator.desired.acceptance import ACCEPTED, topic_refs
from streamwarden_operator.desired.agents import is_taken
from streamwarden_operator.desired.policy_params import params_config_map
from streamwarden_operator.desired.status import find_condition
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.plans.policy_log import besides_policies
from streamwarden_operator.plans.refused_events import topics_said
from streamwarden_operator.ports import Cluster
from streamwarden_operator.reconcilers.policies.log_store import LogStore, PublishedLog

PACE_S = 0.5
"""Between turns of a key that many ask for: a thousand new agents want a binding each, and each gate takes note of all
publications."""
LATE_S, LATE_AFTER_S = 0.05, 1.0
"""Between agents that only have another revision to say, and before the first: they are in the way of the next edit."""
GATE_S = 0.001
"""What one more gate adds to the pace at which its policies say how far they are: each look counts all gates anew."""
AGENT_S = 0.002
"""What one more agent adds to the pace at which others that come up get their binding: each gate reports each time."""


class Waker:
    """Puts the keys that a change concerns into the queue."""

    def __init__(
        self,
        cluster: Cluster,
        logs: LogStore,
        add: Callable[[Key], None],
        add_paced: Callable[[Key, float], None],
        add_last: Callable[[Key, float], None],
    ) -> None:
        """Make a waker.

        Args:
            cluster: which resources there are.
            logs: which policies bind whom.
            add: puts a key into the queue.
            add_paced: puts a key that many ask for at once into it, once in so many seconds.
            add_last: puts a key into it that nobody waits for, in so many seconds.
        """
        self.add = add
        self._add_paced = add_paced
        self._add_last = add_last
        self._cluster = cluster
        self._logs = logs
        self._last_acks: dict[tuple[str, str, str], tuple[object, ...]] = {}
        """By namespace, agent and pod, until the gate's ack is taken away: as its pod is gone, or its agent."""
        self._last_refused: dict[tuple[str, str, str], dict[str, tuple[RefusedEvents, ...]]] = {}
        """Likewise, by topic; of gates that have something to say of one."""

    def changed(self, key: Key) -> None:
        """Wake a resource that was added, edited or removed, and what depends on it."""
        if key.kind == "ConfigMap":
            self.dependents_changed(key)
            return
        if key.kind == "Policy":
            self.add(Key("PolicyLog", key.namespace))  # first: people wait for this one
        if key.namespace not in self._logs.topics_ready or key.namespace in self._logs.empty:
            self.add(Key("Namespace", key.namespace))
        self.add(key)
        self.dependents_changed(key)

    def dependents_changed(self, key: Key) -> None:
        """Wake what depends on the object of ``key``, whether it still exists or not."""
        namespace = key.namespace
        found = dependents_of(
            key,
            self._agents_beside(key),
            self._cluster.list(Policy, namespace),
            self._cluster.list(TopicContract, namespace),
        )
        self._add_all(found)

    def _agents_beside(self, key: Key) -> Sequence[AgentDeployment]:
        """Return the agents that may depend on an object; of an agent itself it alone, for each start wakes all."""
        if key.kind != "AgentDeployment":
            return self._cluster.list(AgentDeployment, key.namespace)
        found = self._cluster.get(AgentDeployment, key.namespace, key.name)
        return () if found is None else (found,)

    def want_log(self, key: Key) -> None:
        """Wake a policy log for an agent that comes up: a thousand of them share its turns."""
        log = self._logs.published.get(key.namespace)
        agents = len(log.state.bindings) if log is not None else 0
        self._add_paced(key, max(PACE_S, AGENT_S * agents))

    def log_published(self, namespace: str, before: PublishedLog | None, after: PublishedLog) -> None:
        """Wake those whom the difference concerns: all of them where the log is new, or an outage begins or ends."""
        contracts = self._cluster.list(TopicContract, namespace)
        if before is None or before.outage is not None or after.outage is not None:
            self.dependents_changed(Key("PolicyLog", namespace))
            self._add_all(contracts_that_wait(contracts, log_is_new=before is None))
        elif found := dependents_of_publication(namespace, before, after):
            late = found & bound_as_before(namespace, before, after)
            self._add_all((found - late) | contracts_that_wait(contracts))
            for place, key in enumerate(sorted(late)):
                self._add_last(key, LATE_AFTER_S + place * LATE_S)  # with an edit it only has to say another revision

    def log_unread(self, namespace: str) -> None:
        """Wake the policies of a log that could not be read or begun: they say why.

        Agents are not woken: they have nothing to say of it, and each would ask for another try at once.
        """
        self._add_all(map(key_of, self._cluster.list(Policy, namespace)))

    def acknowledged(self, namespace: str, agent: str, pod: str, ack: GateAck | None) -> None:
        """Wake the policies of a gate that spoke (or is gone: None).

        Where the gate's state is new, the agent too, and the policy log if something waits for gates of this agent;
        and the contracts of topics of whose events it says something new.
        """
        if ack is not None:
            self._logs.note_ack(ack, time.monotonic())
        for policy in self._logs.policies_of(namespace, agent):
            self._add_paced(policy, min(PACE_S, GATE_S * self._logs.number_bound(policy)))
        if self._is_new((namespace, agent, pod), ack):
            self._add_spoken_of(Key("AgentDeployment", namespace, agent), has_said=ack is not None)
            if agent in self._logs.held_back(namespace).agents:
                self.add(Key("PolicyLog", namespace))
            if ack is not None and self._logs.is_written_for_others(namespace, agent, ack):
                self._add_paced(Key("PolicyLog", namespace), PACE_S)
        if ack is not None:
            self._add_all(self._logs_behind(namespace, ack))
        topics = self._topics_with_news((namespace, agent, pod), ack)
        if topics:
            contracts = self._cluster.list(TopicContract, namespace)
            self._add_all(key_of(contract) for contract in contracts if contract.spec.topic_name in topics)

    def _add_spoken_of(self, agent: Key, *, has_said: bool) -> None:
        """Wake an agent of which somebody speaks: whoever has a gate's password may name any number that do not exist.

        Of such there is nothing to take away but what was said, and nobody waits for that.
        """
        if agent.name in self._cluster.names(AgentDeployment, agent.namespace):
            self.add(agent)
        elif has_said:
            self._add_last(agent, 0.0)

    def _logs_behind(self, namespace: str, ack: GateAck) -> Iterable[Key]:
        """Return the keys of logs of which a gate claims to know more than they hold: one may have been lost."""
        for of, epoch in ((namespace, ack.namespace_epoch), (SYSTEM, ack.guardrail_epoch)):
            log = self._logs.published.get(of)
            if log is not None and log.state.epoch < epoch:
                yield Key("PolicyLog", of)

    def acks_complete(self, namespace: str) -> None:
        """Wake the policy log and the agents of a namespace: all of their gates are known now."""
        self.add(Key("PolicyLog", namespace))
        self.dependents_changed(Key("Namespace", namespace))

    def shared_topics_changed(self, namespace: str) -> None:
        """Wake the agents that share topics of which something else is to be said now; all for the installation's."""
        agents = self._cluster.list(AgentDeployment, None if namespace == SYSTEM else namespace)
        self._add_all(map(key_of, agents))

    def namespace_known(self, namespace: str) -> None:
        """Wake all resources of a namespace: it is known now whose it is."""
        listed = (self._cluster.list(kind, namespace) for kind in (TopicContract, Policy, AgentDeployment))
        self._add_all(key_of(resource) for each in listed for resource in each)
        self._add_all(key for key in self._cluster.unreadable() if key.namespace == namespace)

    def acls_changed(self) -> None:
        """Wake all for whom others may have changed ACLs: each looks itself whether one concerns it."""
        self._add_all(key_of(found) for kind in (AgentDeployment, TopicContract) for found in self._cluster.list(kind))

    def _is_new(self, gate: tuple[str, str, str], ack: GateAck | None) -> bool:
        if ack is None:
            self._last_acks.pop(gate, None)  # each pod has a name of its own: they would pile up
            return True
        state: tuple[object, ...] = (ack.agent_uid, ack.state, ack.reason, ack.message, ack.formats, ack.key_ids)
        is_new = self._last_acks.get(gate) != state
        self._last_acks[gate] = state
        return is_new

    def _topics_with_news(self, gate: tuple[str, str, str], ack: GateAck | None) -> set[str]:
        before, now = self._last_refused.pop(gate, {}), topics_said(ack)
        if now:
            self._last_refused[gate] = now
        return _differing(before, now)

    def _add_all(self, keys: Iterable[Key]) -> None:
        for key in sorted(keys):
            self.add(key)


def dependents_of(
    key: Key,
    agents: Iterable[AgentDeployment],
    policies: Iterable[Policy],
    contracts: Iterable[TopicContract],
) -> frozenset[Key]:
    """Return the keys that depend on the object of ``key``, whether it still exists or not.

    Args:
        key: what changed.
        agents: all agents of its namespace; for an agent it is enough that this one is among them.
        policies: all policies of its namespace.
        contracts: all contracts of its namespace.
    """
    namespace = key.namespace
    match key.kind:
        case "TopicContract":
            own = {contract.metadata.name: contract.spec.topic_name for contract in contracts}
            rivals = {name for name, topic in own.items() if topic == own.get(key.name)} - {key.name}
            if key.name not in own:  # it is gone, and whom it kept from its topic is not known any more
                rivals = set(own)
            referring = (agent for agent in agents if key.name in {name for _, name in topic_refs(agent)})
            return frozenset(
                {
                    *(Key("AgentDeployment", namespace, agent.metadata.name) for agent in referring),
                    *(Key("TopicContract", namespace, name) for name in rivals),
                }
            )
        case "ConfigMap":
            reading = [key_of(policy) for policy in policies if params_config_map(policy.spec) == key.name]
            return frozenset({Key("PolicyLog", namespace), *reading} if reading else ())
        case "Policy" | "SigningKey" | "InventoryRequest":
            # Of the last two its reconciler tells whom it concerns.
            return frozenset({Key("PolicyLog", namespace)} if key.kind == "Policy" else ())
        case "AgentDeployment":
            commanded = [agent.spec.decisions for agent in agents if agent.metadata.name == key.name]
            # Whom it kept from what before is not known: it may be gone, or have been edited.
            woken = {contract.metadata.name for contract in contracts if _is_refused(contract)}
            # Of who reads a topic its contract has nothing to say.
            woken |= {decision.command_topic_ref.name for each in commanded for decision in each}
            return frozenset({Key("Namespace", namespace), *(Key("TopicContract", namespace, name) for name in woken)})
        case "Namespace":
            return frozenset(Key("AgentDeployment", namespace, agent.metadata.name) for agent in agents)
        case "PolicyLog":
            return frozenset(
                {
                    *(Key("Policy", namespace, policy.metadata.name) for policy in policies),
                    *(Key("AgentDeployment", namespace, agent.metadata.name) for agent in agents),
                }
            )


def dependents_of_publication(namespace: str, before: PublishedLog, after: PublishedLog) -> frozenset[Key]:
    """Return the keys that what was published concerns: a thousand agents must not wake for each other's bindings."""
    bindings = (before.state.bindings, after.state.bindings)
    agents = _differing(*bindings) | _differing(before.withheld, after.withheld)
    agents |= _differing(before.held_back.agents, after.held_back.agents)
    refs = [ref for agent in agents for each in bindings if agent in each for ref in each[agent].policies]
    policies = _differing(before.state.policies, after.state.policies)
    policies |= _differing(before.refused, after.refused)
    policies |= _differing(before.held_back.policies, after.held_back.policies)
    return frozenset(
        {
            *(Key("AgentDeployment", namespace, agent) for agent in agents),
            *(Key("Policy", namespace, policy) for policy in policies),
            *(Key("Policy", ref.namespace, ref.name) for ref in refs),
        }
    )


def bound_as_before(namespace: str, before: PublishedLog, after: PublishedLog) -> frozenset[Key]:
    """Return the agents of which only the policies are others now: gates go by those, and no agent waits for them."""
    bindings, now = before.state.bindings, after.state.bindings
    alike = {
        agent
        for agent in bindings.keys() & now.keys()
        if besides_policies(bindings[agent]) == besides_policies(now[agent])
    }
    alike -= _differing(before.withheld, after.withheld)
    alike -= _differing(before.held_back.agents, after.held_back.agents)
    return frozenset(Key("AgentDeployment", namespace, agent) for agent in alike)


def contracts_that_wait(contracts: Iterable[TopicContract], *, log_is_new: bool = False) -> frozenset[Key]:
    """Return the contracts whose schema is not taken: what is published now may let it be.

    Args:
        contracts: all contracts of the namespace.
        log_is_new: whether nothing was known of the log before; else those that wait for the registry alone stay out.
    """
    return frozenset(
        key_of(contract)
        for contract in contracts
        if contract.status.observed_generation > 0 and not is_taken(contract, has_registry=log_is_new)
    )


def _is_refused(contract: TopicContract) -> bool:
    found = find_condition(contract.status.conditions, ACCEPTED)
    return found is not None and found.status == "False"


def _differing(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
