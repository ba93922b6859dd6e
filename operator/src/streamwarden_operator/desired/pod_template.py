"""The pod of an agent: its container, and the gate as a native sidecar (Kubernetes 1.29 or later).

The two share nothing that one could use against the other: no volume, no process namespace, no environment. Both are
what Pod Security calls *restricted*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from streamwarden_contract.models.pod import Resources
from streamwarden_contract.models.pod_rules import VOLUME_PREFIX, PullPolicy
from streamwarden_contract.runtime_config import (
    ENV_CONFIG,
    ENV_CREDENTIALS,
    ENV_GATE_MEMORY_LIMIT,
    ENV_LAST_WORDS,
    ENV_POD,
    ENV_READY_FILE,
)

from streamwarden_operator.desired.names import (
    SPEC_HASH_ANNOTATION,
    agent_config_name,
    gate_config_name,
    object_labels,
)
from streamwarden_operator.ports import Manifest, Workload

AGENT_CONTAINER = "agent"
GATE_CONTAINER = "gate"

GATE_USER = 10001
"""User and group of the gate's image, and the group that may read the files of both containers."""
CREDENTIALS_MODE = 0o440

CREDENTIALS_FOLDER = "/etc/streamwarden/credentials"
CONFIG_FOLDER = "/etc/streamwarden/config"
RUN_FOLDER = "/run/streamwarden"
TERMINATION_LOG = "/dev/termination-log"
READY_FILE = f"{RUN_FOLDER}/ready"
TEMPORARY_FOLDER = "/tmp"  # noqa: S108  # an emptyDir of the container's own

GATE_RESOURCES: Manifest = {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}
"""No limit of CPU: a throttled gate would hold up its agent's commands."""

AGENT_COMMAND = ("python", "-m", "streamwarden.runtime")
"""Said here and not left to the image: ``spec.agent.entrypoint`` promises that the runtime serves it, whatever else an
image inherits as its ENTRYPOINT. The image must have ``python``, with the SDK, on its ``PATH``."""


@dataclass(frozen=True, slots=True)
class GateImage:
    """The gate's image, and its limits: the operator's choice, whatever an agent says."""

    name: str
    pull_policy: PullPolicy | None = None
    """None: Kubernetes' own default."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Limits that are not the image's own defaults."""


@dataclass(frozen=True, slots=True)
class _Mounted:
    """What one of the two containers sees."""

    container: str
    secret: str
    config_map: str
    temporary_size: str
    """Most bytes below ``/tmp``."""

    @property
    def volumes(self) -> dict[str, Manifest]:
        """Volumes by mount path. No two containers share one: the agent must not say that the gate is ready."""
        return {
            CREDENTIALS_FOLDER: self._volume("credentials", secret=_secret(self.secret)),
            CONFIG_FOLDER: self._volume("config", configMap={"name": self.config_map}),
            RUN_FOLDER: self._volume("run", emptyDir={"medium": "Memory", "sizeLimit": "1Mi"}),
            TEMPORARY_FOLDER: self._volume("tmp", emptyDir={"sizeLimit": self.temporary_size}),
        }

    def _volume(self, purpose: str, **source: Manifest) -> Manifest:
        return {"name": f"{VOLUME_PREFIX}{self.container}-{purpose}", **source}


def build_pod_template(workload: Workload, gate_image: GateImage) -> Manifest:
    """Build the template of the agent's pods. A field that the user left out is Kubernetes' own default."""
    agent = _Mounted(AGENT_CONTAINER, workload.agent_secret, agent_config_name(workload.agent), "1Gi")
    gate = _Mounted(GATE_CONTAINER, workload.gate_secret, gate_config_name(workload.agent), "64Mi")
    pod = workload.pod
    agent_volumes = agent.volumes
    if any(mount.mount_path.rstrip("/") == TEMPORARY_FOLDER for mount in pod.volume_mounts):
        del agent_volumes[TEMPORARY_FOLDER]
    optional = {
        "imagePullSecrets": _dump(pod.image_pull_secrets),
        "nodeSelector": pod.node_selector,
        "tolerations": _dump(pod.tolerations),
        "priorityClassName": pod.priority_class_name,
    }
    spec = {
        "serviceAccountName": workload.agent,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": False,
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": GATE_USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": pod.termination_grace_period_seconds,
        **_without_empty(optional),
        "initContainers": [_gate(workload, gate_image, gate.volumes)],
        "containers": [_agent(workload, agent_volumes)],
        "volumes": [*agent_volumes.values(), *gate.volumes.values(), *_dump(pod.volumes)],
    }
    metadata = {
        "labels": object_labels(workload.agent),
        "annotations": {SPEC_HASH_ANNOTATION: workload.spec_hash},
    }
    return {"metadata": metadata, "spec": spec}


def _agent(workload: Workload, volumes: dict[str, Manifest]) -> Manifest:
    pod = workload.pod
    return {
        "name": AGENT_CONTAINER,
        "image": workload.image,
        "command": list(AGENT_COMMAND),
        **_without_empty({"imagePullPolicy": pod.image_pull_policy, "envFrom": _dump(pod.env_from)}),
        # Ours come last: of two variables with one name the last counts.
        "env": [*_dump(pod.env), *_environment()],
        "volumeMounts": [*_mounts(volumes), *_dump(pod.volume_mounts)],
        **_without_empty({"resources": _dump_resources(pod.resources)}),
        # Its user is the image's: a number that is not 0, or the kubelet refuses it.
        "securityContext": _security_context(),
        "readinessProbe": _readiness(),
    }


def _gate(workload: Workload, gate_image: GateImage, volumes: dict[str, Manifest]) -> Manifest:
    """Build the sidecar: it is up before the agent starts, and ends after it.

    It has no startup probe. The agent may start as soon as the gate's process is up: its decisions wait on their topic
    until the gate has its policies, and a gate that waits for them must not be killed for it.
    """
    return {
        "name": GATE_CONTAINER,
        "image": gate_image.name,
        "restartPolicy": "Always",  # makes it a native sidecar
        **_without_empty({"imagePullPolicy": gate_image.pull_policy}),
        # By the kubelet's word: what a container can read of its own limit depends on the node's version of cgroups.
        "env": [
            *_environment(),
            _from_resource(ENV_GATE_MEMORY_LIMIT, "limits.memory"),
            *({"name": name, "value": value} for name, value in gate_image.environment.items()),
        ],
        "volumeMounts": _mounts(volumes),
        "resources": _gate_resources(workload.pod.gate.resources),
        "securityContext": {**_security_context(), "runAsUser": GATE_USER, "runAsGroup": GATE_USER},
        "readinessProbe": _readiness(),
    }


def _environment() -> list[Manifest]:
    return [
        {"name": ENV_CONFIG, "value": CONFIG_FOLDER},
        {"name": ENV_CREDENTIALS, "value": CREDENTIALS_FOLDER},
        {"name": ENV_POD, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": ENV_READY_FILE, "value": READY_FILE},
        # The kubelet mounts it, writable, into a root that is not.
        {"name": ENV_LAST_WORDS, "value": TERMINATION_LOG},
    ]


def _from_resource(name: str, resource: str) -> Manifest:
    """Build a variable with a resource of its own container: bytes, of memory."""
    return {"name": name, "valueFrom": {"resourceFieldRef": {"resource": resource}}}


def _mounts(volumes: dict[str, Manifest]) -> list[Manifest]:
    writable = {RUN_FOLDER, TEMPORARY_FOLDER}
    return [
        {"name": volume["name"], "mountPath": path, **({} if path in writable else {"readOnly": True})}
        for path, volume in volumes.items()
    ]


def _secret(name: str) -> Manifest:
    return {"secretName": name, "defaultMode": CREDENTIALS_MODE}


def _security_context() -> Manifest:
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def _readiness() -> Manifest:
    """Look for the file that the process makes: neither listens on any port.

    Each probe starts a process in the container, which costs some milliseconds of CPU on the node: a period of 2 s is
    what an idle fleet can bear, and short enough that a rollout does not wait for the probe.
    """
    return {
        "exec": {"command": ["test", "-e", READY_FILE]},
        "periodSeconds": 2,
        "timeoutSeconds": 5,  # a busy node takes longer than the default second to start a process
    }


def _gate_resources(said: Resources) -> Manifest:
    """Lay what the user says over the defaults, for CPU and memory apart: a mix of both could contradict itself."""
    given = _dump_resources(said)
    spoken_for = {name for amounts in given.values() for name in amounts}
    merged = {
        part: {name: amount for name, amount in GATE_RESOURCES[part].items() if name not in spoken_for}
        | given.get(part, {})
        for part in GATE_RESOURCES
    }
    return _without_empty(merged)


def _dump_resources(resources: Resources) -> Manifest:
    return _without_empty(resources.model_dump(mode="json", by_alias=True, exclude_defaults=True))


def _dump(items: Sequence[BaseModel]) -> list[Manifest]:
    """Write core/v1's shapes: the models have its names, and its defaults are left to it."""
    return [item.model_dump(mode="json", by_alias=True, exclude_defaults=True) for item in items]


def _without_empty(fields: dict[str, Any]) -> Manifest:
    """Leave out what the user left out."""
    return {name: value for name, value in fields.items() if value}
