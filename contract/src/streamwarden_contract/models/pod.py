"""The pod fields of an AgentDeployment: names and shapes of core/v1, and only those that leave the gate alone.

What is not here is an unknown field: host namespaces, ``hostPath``, other containers, security contexts, service
accounts. What is here and reaches for Streamwarden's own Secrets, ConfigMaps, volumes or paths is refused by CEL rules
and once more before pods are built.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from streamwarden_contract.models.base import Resource
from streamwarden_contract.models.fields import (
    CpuQuantity,
    LabelKey,
    LabelValue,
    MemoryQuantity,
    ResourceName,
)
from streamwarden_contract.models.pod_rules import (
    ENV_PREFIX,
    ONE_ENV_SOURCE,
    ONE_KEY_SOURCE,
    ONE_VALUE,
    ONE_VOLUME_SOURCE,
    OUR_ENV,
    UNKNOWN_VOLUME,
    ConfigMapName,
    DataKey,
    MountPath,
    PullPolicy,
    SecretName,
    SubPath,
    VolumeName,
    exactly_one,
)

LONGEST_GRACE_S = 600
"""The most that a pod may have to end, in seconds."""


class SecretKeySelector(Resource):
    """One key of a Secret."""

    name: SecretName
    """Name of the Secret."""
    key: DataKey
    """Key in it."""
    optional: bool = False
    """Whether the pod starts without it."""


class ConfigMapKeySelector(Resource):
    """One key of a ConfigMap."""

    name: ConfigMapName
    """Name of the ConfigMap."""
    key: DataKey
    """Key in it."""
    optional: bool = False
    """Whether the pod starts without it."""


class EnvVarSource(Resource):
    """Where a value comes from."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        (exactly_one("secretKeyRef", "configMapKeyRef"), ONE_KEY_SOURCE),
    )

    secret_key_ref: SecretKeySelector | None = None
    """A key of a Secret."""
    config_map_key_ref: ConfigMapKeySelector | None = None
    """A key of a ConfigMap."""


class EnvVar(Resource):
    """An environment variable of the agent's container."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (("!has(self.valueFrom) || self.value == ''", ONE_VALUE),)

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$", max_length=128)]
    """Name; ``STREAMWARDEN_*`` is reserved."""
    value: Annotated[str, Field(max_length=4096)] = ""
    """Value."""
    value_from: EnvVarSource | None = None
    """Where the value comes from, in place of ``value``."""


class SecretEnvSource(Resource):
    """A whole Secret."""

    name: SecretName
    """Name of the Secret."""
    optional: bool = False
    """Whether the pod starts without it."""


class ConfigMapEnvSource(Resource):
    """A whole ConfigMap."""

    name: ConfigMapName
    """Name of the ConfigMap."""
    optional: bool = False
    """Whether the pod starts without it."""


class EnvFromSource(Resource):
    """A Secret or ConfigMap of which each key becomes a variable; ``env`` and Streamwarden's own go before them."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        (exactly_one("secretRef", "configMapRef"), ONE_ENV_SOURCE),
        (f"!self.prefix.startsWith('{ENV_PREFIX}')", OUR_ENV),
    )

    prefix: Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$", max_length=128)] = ""
    """Put before each key."""
    secret_ref: SecretEnvSource | None = None
    """A Secret."""
    config_map_ref: ConfigMapEnvSource | None = None
    """A ConfigMap."""


class EmptyDirSource(Resource):
    """A folder that lives as long as the pod."""

    medium: Literal["", "Memory"] = ""
    """``Memory`` counts as memory of the container; else the node's disk."""
    size_limit: MemoryQuantity | None = None
    """Most bytes, as in ``1Gi``; a pod that goes beyond it is evicted."""


class ConfigMapSource(Resource):
    """Files from a ConfigMap, one a key."""

    name: ConfigMapName
    """Name of the ConfigMap."""
    optional: bool = False
    """Whether the pod starts without it."""


class SecretSource(Resource):
    """Files from a Secret, one a key."""

    secret_name: SecretName
    """Name of the Secret."""
    optional: bool = False
    """Whether the pod starts without it."""


class PersistentVolumeClaimSource(Resource):
    """A claim, shared by all pods of the agent."""

    claim_name: ResourceName
    """Name of the PersistentVolumeClaim."""
    read_only: bool = False
    """Whether it is mounted for reading only."""


class Volume(Resource):
    """Files for the agent's container. No ``hostPath``, ``projected`` or ``csi``."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        (exactly_one("emptyDir", "configMap", "secret", "persistentVolumeClaim"), ONE_VOLUME_SOURCE),
    )

    name: VolumeName
    """Name, unique in the pod; ``streamwarden-*`` is reserved."""
    empty_dir: EmptyDirSource | None = None
    """An empty folder."""
    config_map: ConfigMapSource | None = None
    """A ConfigMap's entries."""
    secret: SecretSource | None = None
    """A Secret's entries."""
    persistent_volume_claim: PersistentVolumeClaimSource | None = None
    """A claim."""


class VolumeMount(Resource):
    """Where the agent's container sees a volume."""

    name: VolumeName
    """One of ``spec.volumes``."""
    mount_path: MountPath
    """Absolute path. ``/tmp`` takes the place of the one that every container has."""
    sub_path: SubPath = ""
    """Path inside the volume; its root where left out."""
    read_only: bool = False
    """Whether it is mounted for reading only."""


class LocalObjectReference(Resource):
    """A Secret of the same namespace."""

    name: SecretName
    """Name of the Secret."""


class Toleration(Resource):
    """A taint of nodes that the pods put up with."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        ("self.key != '' || self.operator == 'Exists'", "a toleration without a key needs the operator Exists"),
        ("self.value == '' || self.operator == 'Equal'", "a toleration with the operator Exists has no value"),
        (
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "tolerationSeconds needs the effect NoExecute",
        ),
    )

    key: Annotated[str, Field(max_length=317)] = ""
    """Key of the taint; with the operator Exists, empty means every taint."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """How key and value are compared."""
    value: LabelValue = ""
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; every effect where left out."""
    toleration_seconds: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """How long pods stay after such a taint appears; for ever where left out."""


class ResourceList(Resource):
    """Amounts of CPU and memory."""

    cpu: CpuQuantity | None = None
    """As in ``500m`` or ``1``."""
    memory: MemoryQuantity | None = None
    """As in ``256Mi``."""


class Resources(Resource):
    """What a container asks for and may use."""

    requests: ResourceList = ResourceList()
    """What is reserved for it."""
    limits: ResourceList = ResourceList()
    """What it may use at most."""


class Gate(Resource):
    """What may be said of the gate's container."""

    resources: Resources = Resources()
    """Resources of the gate's container. What is said of CPU or memory takes the place of Streamwarden's own."""


class PodFields(Resource):
    """The pod fields of an agent. A change of any of them replaces the pods."""

    list_map_keys: ClassVar[dict[str, tuple[str, ...]]] = {
        "env": ("name",),
        "volumes": ("name",),
        "volume_mounts": ("mount_path",),
        "image_pull_secrets": ("name",),
    }
    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        (f"self.env.all(e, !e.name.startsWith('{ENV_PREFIX}'))", OUR_ENV),
        ("self.volumeMounts.all(m, self.volumes.exists(v, v.name == m.name))", UNKNOWN_VOLUME),
    )

    image_pull_policy: PullPolicy | None = None
    """When the agent's image is pulled; Kubernetes' own default where left out."""
    image_pull_secrets: Annotated[tuple[LocalObjectReference, ...], Field(max_length=8)] = ()
    """Secrets for the registries of the images."""
    env: Annotated[tuple[EnvVar, ...], Field(max_length=64)] = ()
    """Environment of the agent's container."""
    env_from: Annotated[tuple[EnvFromSource, ...], Field(max_length=16)] = ()
    """Secrets and ConfigMaps whose keys become environment of the agent's container."""
    volumes: Annotated[tuple[Volume, ...], Field(max_length=32)] = ()
    """Volumes that the agent's container may mount."""
    volume_mounts: Annotated[tuple[VolumeMount, ...], Field(max_length=32)] = ()
    """Where it mounts them."""
    resources: Resources = Resources()
    """Resources of the agent's container."""
    gate: Gate = Gate()
    """The gate's container."""
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = {}
    """Labels that a node must have, all of them."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    """Taints of nodes that the pods put up with."""
    priority_class_name: ResourceName | None = None
    """PriorityClass of the pods."""
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=LONGEST_GRACE_S)] = 30
    """Seconds that agent and gate together have to end; the agent finishes what is at work for up to 10 of them."""
