"""Names, labels and annotations of what an agent has in Kubernetes. Its Secrets are named in ``credentials``."""

from collections.abc import Collection, Mapping

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

ROTATE_ANNOTATION = "streamwarden.io/rotate-key"
"""On the Secret of the signing key: each new value asks for one rotation."""
ROTATION_STATUS_ANNOTATION = "streamwarden.io/key-rotation"
"""On the Secret of the signing key: where a rotation stands."""
ROTATE_CREDENTIALS_ANNOTATION = "streamwarden.io/rotate-credentials"
"""On an AgentDeployment: each new value asks for new passwords of the agent's and the gate's user."""
BEGIN_ANEW_ANNOTATION = "streamwarden.io/begin-anew"
"""On the operator's namespace: ids of lost keys, separated by commas, without which people want to go on."""
TAKE_OVER_ANNOTATION = "streamwarden.io/take-over-cluster"
"""On the operator's namespace: UIDs of clusters that are gone, separated by commas: this one is their restore."""
ROTATE_WITHOUT_ANNOTATION = "streamwarden.io/rotate-without"
"""On the Secret of the signing key: gates (``namespace/pod``), or all of a namespace (``namespace/*``), with commas,
that a rotation waits for no longer."""
ACCEPT_LOSS_ANNOTATION = "streamwarden.io/accept-loss"
"""On a namespace: ids of shared topics that are lost, separated by commas, and that are to be made again."""


_LONGEST_SHOWN = 100


def annotated_ids(annotations: Mapping[str, str], name: str) -> frozenset[str]:
    """Return the ids that an annotation names."""
    return frozenset(filter(None, (part.strip() for part in annotations.get(name, "").split(","))))


def say_missed(annotation: str, said: Collection[str]) -> str:
    """Say that an annotation has ids that are not asked for, as a sentence; empty where it has none.

    Who has mistyped one would wait and hear nothing. It may also be of an earlier occasion.
    """
    if not said:
        return ""
    shown = ",".join(sorted(said))
    shown = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."
    return f"{annotation} says {shown!r} now, which is something else. "


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
