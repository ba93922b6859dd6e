"""An agent's objects in Kubernetes, but for its Secrets: they hold passwords, and are written elsewhere."""

from collections.abc import Sequence

from streamwarden_contract.models import API_VERSION
from streamwarden_contract.runtime_config import (
    AGENT_CONFIG_FILE,
    AGENT_INPUTS_FILE,
    FORMATS_FILE,
    GATE_CONFIG_FILE,
    PUBLIC_KEYS_FILE,
)

from streamwarden_operator.desired.names import agent_config_name, gate_config_name, object_labels, selector_labels
from streamwarden_operator.desired.pod_fields import check_pod_fields
from streamwarden_operator.desired.pod_template import GateImage, build_pod_template
from streamwarden_operator.ports import Manifest, Workload

_OLD_REPLICA_SETS = 2
"""Kept for ``kubectl rollout undo``; each is an object that every list of ReplicaSets carries."""


def build_manifests(workload: Workload, gate_image: GateImage) -> Sequence[Manifest]:
    """Build everything of an agent, in the order to apply it: the Deployment is the last.

    The Deployment names no ``replicas``: the scaler owns that field, and an apply that named it would undo each of its
    decisions. See ``build_creation`` for one that does not exist yet.

    Raises:
        InvalidSpecError: the pod fields reach for what is Streamwarden's own.
    """
    check_pod_fields(workload.pod)
    gate_files = {GATE_CONFIG_FILE: workload.gate_config, PUBLIC_KEYS_FILE: workload.public_keys}
    agent_files = {AGENT_CONFIG_FILE: workload.agent_config}
    if workload.agent_inputs:
        agent_files[AGENT_INPUTS_FILE] = workload.agent_inputs
    if workload.formats:
        agent_files[FORMATS_FILE] = workload.formats
    return (
        _service_account(workload),
        _config_map(workload, agent_config_name(workload.agent), agent_files),
        _config_map(workload, gate_config_name(workload.agent), gate_files),
        _network_policy(workload),
        _disruption_budget(workload),
        _deployment(workload, gate_image),
    )


def build_creation(deployment: Manifest, replicas: int) -> Manifest:
    """Build the manifest that makes a Deployment which does not exist: the only one that names ``replicas``.

    Server-side apply takes a field away again when the only manager that owns it no longer names it: before the next
    apply, another one must own the number.
    """
    return {**deployment, "spec": {"replicas": replicas, **deployment["spec"]}}


def _object(workload: Workload, api_version: str, kind: str, name: str) -> Manifest:
    owner = {
        "apiVersion": API_VERSION,
        "kind": "AgentDeployment",
        "name": workload.agent,
        "uid": workload.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {
        "name": name,
        "namespace": workload.namespace,
        "labels": object_labels(workload.agent),
        "ownerReferences": [owner],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _service_account(workload: Workload) -> Manifest:
    """An identity of its own, for image pulls and audit logs; neither container talks to the API server."""
    return {**_object(workload, "v1", "ServiceAccount", workload.agent), "automountServiceAccountToken": False}


def _config_map(workload: Workload, name: str, data: dict[str, str]) -> Manifest:
    return {**_object(workload, "v1", "ConfigMap", name), "data": data}


def _network_policy(workload: Workload) -> Manifest:
    """Nobody connects to the pods: they only ever connect to others.

    What they connect to stays open: agents call models and stores that only their authors know. Where a policy of the
    namespace closes it, Kafka must stay reachable.
    """
    policy = {"podSelector": {"matchLabels": selector_labels(workload.agent)}, "policyTypes": ["Ingress"]}
    return {**_object(workload, "networking.k8s.io/v1", "NetworkPolicy", workload.agent), "spec": policy}


def _disruption_budget(workload: Workload) -> Manifest:
    """Drains end one pod at a time, and never wait for one that does not work anyway."""
    budget = {
        "selector": {"matchLabels": selector_labels(workload.agent)},
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return {**_object(workload, "policy/v1", "PodDisruptionBudget", workload.agent), "spec": budget}


def _deployment(workload: Workload, gate_image: GateImage) -> Manifest:
    spec = {
        "revisionHistoryLimit": _OLD_REPLICA_SETS,
        "selector": {"matchLabels": selector_labels(workload.agent)},
        # A new pod has joined the groups before an old one leaves them.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": build_pod_template(workload, gate_image),
    }
    return {**_object(workload, "apps/v1", "Deployment", workload.agent), "spec": spec}
