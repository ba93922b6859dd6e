"""Names, labels and annotations of what an agent has in Kubernetes. Its Secrets are named in ``credentials``."""

from streamwarden_contract.names import SYSTEM

INSTANCE_LABEL = "app.kubernetes.io/instance"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
NAME_LABEL = "app.kubernetes.io/name"
PART_OF_LABEL = "app.kubernetes.io/part-of"

DATA_SELECTOR = f"{PART_OF_LABEL}={SYSTEM}"
"""Selects ConfigMaps with data beside the rules of policies."""

AGENT_APP = "streamwarden-agent"
"""Value of the name label of everything that an agent has."""
MANAGER = "streamwarden-operator"
"""Value of the managed-by label."""

SPEC_HASH_ANNOTATION = "streamwarden.io/spec-hash"
"""On pods: changes when they must be replaced."""
MANIFEST_HASH_ANNOTATION = "streamwarden.io/manifest-hash"
"""On everything that is applied for an agent: the hash of what was said."""


def agent_config_name(agent: str) -> str:
    """Return the name of the ConfigMap that the agent's container mounts."""
    return f"{agent}-agent-config"


def gate_config_name(agent: str) -> str:
    """Return the name of the ConfigMap that the gate's container mounts."""
    return f"{agent}-gate-config"


def selector_labels(agent: str) -> dict[str, str]:
    """Return the labels that select an agent's pods. A Deployment's selector never changes: add nothing here."""
    return {NAME_LABEL: AGENT_APP, INSTANCE_LABEL: agent}


def object_labels(agent: str) -> dict[str, str]:
    """Return the labels of everything that an agent has, pods too."""
    return {**selector_labels(agent), MANAGED_BY_LABEL: MANAGER, PART_OF_LABEL: SYSTEM}
