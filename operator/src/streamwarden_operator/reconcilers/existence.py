"""Which agents exist: those that can be read, and those that cannot. What is taken from somebody goes by both."""

from streamwarden_contract.models import AgentDeployment

from streamwarden_operator.ports import Cluster


def existing_agents(cluster: Cluster, namespace: str) -> set[str]:
    """Return the names of a namespace's agents, whether this version of the operator can read them or not."""
    unreadable = {
        key.name for key in cluster.unreadable() if (key.kind, key.namespace) == ("AgentDeployment", namespace)
    }
    return unreadable | {agent.metadata.name for agent in cluster.list(AgentDeployment, namespace)}
