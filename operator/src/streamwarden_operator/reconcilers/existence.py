"""Which resources exist: those that can be read, and those that cannot. What is taken from somebody goes by both."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from streamwarden_contract.models import AgentDeployment, TopicContract
from streamwarden_contract.models.base import Kind

from streamwarden_operator.desired.claims import Claims, TopicClaim, claimed_topic, commanded_contracts, given_access
from streamwarden_operator.keys import KeyKind, key_of, kind_of
from streamwarden_operator.ports import Cluster, Unreadable
from streamwarden_operator.reconcilers.policies.log_store import LogStore


def existing_agents(cluster: Cluster, namespace: str) -> AbstractSet[str]:
    """Return the names of a namespace's agents, whether this version of the operator can read them or not."""
    return cluster.names(AgentDeployment, namespace)


def existing(cluster: Cluster, kind: type[Kind], namespace: str) -> dict[str, str]:
    """Return the UIDs, by name, of a namespace's resources of a kind, whether they can be read or not."""
    unreadable = {found.key.name: found.metadata.uid for found in _unreadable(cluster, kind_of(kind), namespace)}
    return unreadable | {found.metadata.name: found.metadata.uid for found in cluster.list(kind, namespace)}


def unread_contracts(cluster: Cluster, namespace: str) -> set[str]:
    """Return the names of a namespace's contracts that cannot be read."""
    return {found.key.name for found in _unreadable(cluster, "TopicContract", namespace)}


def claims_beside(contract: TopicContract, cluster: Cluster, logs: LogStore) -> Claims:
    """Return what resources that cannot be read claim of what a contract is about."""
    agents = _unreadable(cluster, "AgentDeployment", contract.metadata.namespace)
    others = [found for found in _unreadable(cluster, "TopicContract") if found.key != key_of(contract)]
    topics = [(found.metadata, claimed_topic(found.manifest)) for found in others]
    return Claims(
        commanding=[agent.key.name for agent in agents if _may_command(agent, contract, logs)],
        topics=[TopicClaim(metadata, topic) for metadata, topic in topics if topic is not None],
        access=frozenset(acl for found in others for acl in given_access(found.manifest, logs.installation)),
    )


def _may_command(agent: Unreadable, contract: TopicContract, logs: LogStore) -> bool:
    """Tell whether an agent's commands may go to a contract's topic: it says so, or its gate is bound to do it.

    Where its references cannot be read, the binding alone counts: nothing else of the agent can come into force. As
    long as the log is not read either, nobody knows, and it may be any topic.
    """
    namespace, named = agent.key.namespace, commanded_contracts(agent.manifest)
    if named is None and namespace not in logs.published:
        return True
    binding = logs.binding(namespace, agent.key.name)
    bound = {target.topic for target in binding.decisions.values()} if binding is not None else set()
    return contract.metadata.name in (named or ()) or contract.spec.topic_name in bound


def _unreadable(cluster: Cluster, kind: KeyKind, namespace: str | None = None) -> Iterator[Unreadable]:
    for key, found in sorted(cluster.unreadable().items()):
        if key.kind == kind and namespace in {None, key.namespace}:
            yield found
