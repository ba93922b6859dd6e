"""The Kubernetes side: the three kinds, Secrets and workloads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from streamwarden_contract.models.base import Kind, Metadata, Status
from streamwarden_contract.models.pod import PodFields
from streamwarden_contract.reasons import EventReason

from streamwarden_operator.keys import Key

K = TypeVar("K", bound=Kind)

Manifest = dict[str, Any]
"""A Kubernetes object, as in its YAML."""


NOT_READABLE = EventReason.NOT_READABLE.value
"""Reason of Events about a resource that this version of the operator cannot read: its status cannot say so."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A resource that exists and is not as this version's models say. What Kubernetes itself says of it is known."""

    key: Key
    metadata: Metadata
    problem: str
    manifest: Manifest = field(default_factory=dict, repr=False, compare=False)
    """As it is: ``desired.claims`` reads what can be told of it."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One agent's pods, resolved: no lookups happen below."""

    namespace: str
    agent: str
    uid: str
    image: str
    pod: PodFields
    """What the user says about the pods, environment included."""
    agent_config: str
    """JSON of ``AgentConfig``."""
    gate_config: str
    """JSON of ``GateConfig``."""
    formats: str
    """JSON of ``Formats``, empty where all of them are 1; a change needs no restart."""
    agent_secret: str
    """Name of the Secret with the agent's ``client.properties``."""
    gate_secret: str
    """Name of the Secret with the gate's ``client.properties``."""
    public_keys: str
    """JSON of ``public-keys.json``; a change needs no restart."""
    spec_hash: str
    """Changes when the pods must be replaced."""
    agent_inputs: str = ""
    """JSON of ``AgentInputs``, empty where there is nothing to say; a change needs no restart."""
    replicas: int = 1
    """Pods of a workload that is made now; of one that exists ``scale_workload`` alone changes the number."""


@dataclass(frozen=True, slots=True)
class WorkloadState:
    """How an agent's pods are."""

    replicas: int
    """Pods that exist and are not ending."""
    desired: int = 1
    """Pods that are wanted."""
    ready: int = 0
    """Of them, those whose agent has joined its consumer group."""
    crashing: str = ""
    """Why pods keep ending, with their last lines; empty where they do not."""
    unscheduled: str = ""
    """Why no node takes a pod; empty where each has one."""
    outdated: bool = False
    """Whether pods of before exist, ending ones too, or may still be made."""


class Cluster(Protocol):
    """The three kinds, Secrets and workloads: an API server, or ``streamwarden dev``'s files and processes."""

    def get(self, kind: type[K], namespace: str, name: str) -> K | None:
        """Return the resource as last seen; None where there is none."""
        ...

    def list(self, kind: type[K], namespace: str | None = None) -> Sequence[K]:
        """Return all resources of a kind, in a namespace or everywhere."""
        ...

    def names(self, kind: type[Kind], namespace: str) -> frozenset[str]:
        """Return the names of a namespace's resources of a kind, whether they can be read or not.

        It is the same object until one comes or goes: who goes by it may remember what came of it.
        """
        ...

    def config_map(self, namespace: str, name: str) -> Mapping[str, str | int] | None:
        """Return what a ConfigMap of data beside rules holds, by key; None where there is none with our label.

        Of a text that is larger than a policy's data may be: its size in bytes.
        """
        ...

    def unreadable(self) -> Mapping[Key, Unreadable]:
        """Return the resources that cannot be read: nothing of theirs is undone before they are deleted."""
        ...

    async def write_status(self, resource: Kind, status: Status) -> None:
        """Write the status where it differs from ``resource.status``."""
        ...

    async def read_secret(self, namespace: str, name: str) -> Mapping[str, str] | None: ...

    async def apply_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None: ...

    async def delete_secret(self, namespace: str, name: str) -> None: ...

    async def apply_workload(self, workload: Workload) -> WorkloadState:
        """Make the pods match; unchanged ones are left alone, and so is the number of those that exist."""
        ...

    async def applied_formats(self, namespace: str, agent: str) -> str:
        """Return ``Workload.formats`` as it was applied last, also by an earlier process; empty where it was not."""
        ...

    async def scale_workload(self, namespace: str, agent: str, replicas: int) -> None:
        """Want so many pods from now on; an absent workload is left absent."""
        ...

    async def delete_workload(self, namespace: str, agent: str) -> bool:
        """End the pods. False: some are still ending; the agent is reconciled again once they have."""
        ...

    def pods(self, namespace: str, agent: str) -> frozenset[str] | None:
        """Return the names of the pods that exist, ending ones too; None where it is not known."""
        ...

    async def set_finalizer(self, resource: Kind | Unreadable, finalizer: str, *, present: bool) -> None: ...

    async def namespace_annotations(self, namespace: str) -> Mapping[str, str]:
        """Return what people say to a namespace as a whole."""
        ...

    async def record_event(self, key: Key, *, reason: str, message: str, warning: bool) -> None:
        """Record a Kubernetes Event: what people should act on or know of. No resource: it is the namespace's."""
        ...
