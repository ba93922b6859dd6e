"""What a change in one object wakes. Pure: keys and resources in, keys out."""

from collections.abc import Iterable, Mapping

from streamwarden_contract.models import AgentDeployment, Policy, TopicContract

from streamwarden_operator.desired.acceptance import topic_refs
from streamwarden_operator.keys import Key
from streamwarden_operator.reconcilers.policies.log_book import PublishedLog


def dependents_of(
    key: Key,
    agents: Iterable[AgentDeployment],
    policies: Iterable[Policy],
    contracts: Iterable[TopicContract],
) -> frozenset[Key]:
    """Return the keys that depend on the object of ``key``, whether it still exists or not.

    Args:
        key: what changed.
        agents: all agents of its namespace.
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
        case "Policy":
            return frozenset({Key("PolicyLog", namespace)})
        case "AgentDeployment":
            refs = {name for agent in agents if agent.metadata.name == key.name for _, name in topic_refs(agent)}
            return frozenset({Key("Namespace", namespace), *(Key("TopicContract", namespace, name) for name in refs)})
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
    """Return the keys that what was published concerns: a thousand agents must not look at each other's bindings."""
    bindings = (before.state.bindings, after.state.bindings)
    agents = _differing(*bindings) | _differing(before.withheld, after.withheld)
    named = {ref.name for agent in agents for each in bindings if agent in each for ref in each[agent].policies}
    policies = named | _differing(before.state.policies, after.state.policies)
    return frozenset(
        {
            *(Key("AgentDeployment", namespace, agent) for agent in agents),
            *(Key("Policy", namespace, policy) for policy in policies),
        }
    )


def _differing(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
