"""The Kubernetes side of ``streamwarden dev``: resources from files, Secrets as files, pods as processes."""

from __future__ import annotations

import shlex
import shutil
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.models.pod import PodFields
from streamwarden_kafka.private_files import write_private
from streamwarden_operator.keys import Key, key_of, kind_of
from streamwarden_operator.ports import Cluster, Unreadable, Workload, WorkloadState
from typing_extensions import override

from streamwarden_cli.local.agent_env import unresolved
from streamwarden_cli.local.pods import Pods, PodSettings
from streamwarden_cli.local.state import write_private_json
from streamwarden_cli.local.store import Applied, ResourceStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from streamwarden_contract.models.agent_deployment import AgentDeploymentSpec
    from streamwarden_contract.models.base import Kind, Status

    from streamwarden_cli.local.state import StateFolder

K = TypeVar("K", bound="Kind")


def _nobody(_key: Key) -> None:
    """Before anybody listens."""


def _ignored(spec: AgentDeploymentSpec, *, with_secrets: bool) -> Iterator[str]:
    """Yield what the agent's process has not: of the pod fields it has the environment, as far as that is known."""
    yield "spec.image"
    if spec.scaling is not None:
        yield "spec.scaling"
    for name, field in PodFields.model_fields.items():
        if name not in {"env", "env_from"} and getattr(spec, name) != field.default:
            yield f"spec.{field.alias}"
    yield from unresolved(spec, with_secrets=with_secrets)


def _silence(_key: Key, _reason: str, _message: str, _warning: bool) -> None:  # noqa: FBT001  # a callback's signature
    """Before anybody listens."""


class LocalCluster(Cluster):
    """Implements the operator's ``Cluster`` port below one state folder. All calls from one event loop.

    ``on_changed`` is called with the key of whatever needs a look and was not changed through :meth:`apply`;
    ``on_event`` with what people should see; ``on_status`` after a status was written.
    """

    def __init__(self, state: StateFolder, settings: PodSettings | None = None) -> None:
        self._state = state
        self._store = ResourceStore(started=datetime.now(UTC), new_uid=lambda: str(uuid.uuid4()))
        self._settings = settings or PodSettings()
        self._pods = Pods(state, self._settings, self._pods_changed)
        self._told: dict[tuple[str, str], str] = {}
        """By agent that a person runs: the hash of the workload of which that was said."""
        self.on_changed: Callable[[Key], None] = _nobody
        self.on_status: Callable[[Key], None] = _nobody
        self.on_event: Callable[[Key, str, str, bool], None] = _silence

    def apply(self, desired: Sequence[Kind]) -> Applied:
        """Make the cluster hold exactly these admitted resources; returns the keys that need a look."""
        return self._keep(self._store.apply(desired))

    def ignored_pod_fields(self) -> list[str]:
        """Return the fields that pods have in a cluster, and processes have not."""
        agents = self._store.of_kind(AgentDeployment)
        with_secrets = self._settings.secrets is not None
        return sorted({field for agent in agents for field in _ignored(agent.spec, with_secrets=with_secrets)})

    def resources(self) -> Sequence[Kind]:
        """Return all resources as they stand."""
        return tuple(self._store)

    def find(self, key: Key) -> Kind | None:
        """Return the resource of a key; None where there is none."""
        return self._store.get(key)

    @staticmethod
    def key(resource: Kind) -> Key:
        """Return the work queue's key of a resource."""
        return key_of(resource)

    def pids(self, namespace: str, agent: str) -> tuple[list[int], list[int]]:
        """Return the pids of an agent's and of its gate's running processes."""
        return self._pods.pids(namespace, agent)

    async def restart_agent(self, namespace: str, agent: str) -> None:
        """Start an agent's own process again, its gate going on."""
        await self._pods.restart_agents(namespace, agent)

    async def stop(self) -> None:
        """End all processes: agents first, then gates."""
        await self._pods.stop()

    @override
    def get(self, kind: type[K], namespace: str, name: str) -> K | None:
        resource = self._store.get(Key(kind_of(kind), namespace, name))
        return resource if isinstance(resource, kind) else None

    @override
    def list(self, kind: type[K], namespace: str | None = None) -> Sequence[K]:
        return self._store.of_kind(kind, namespace)

    @override
    def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        del namespace, name
        return None  # admission puts what a folder's ConfigMaps hold into its policies

    @override
    def names(self, kind: type[Kind], namespace: str) -> frozenset[str]:
        return frozenset(found.metadata.name for found in self._store.of_kind(kind, namespace))

    @override
    def unreadable(self) -> Mapping[Key, Unreadable]:
        return {}  # a manifest that cannot be read is refused before it gets here

    @override
    async def write_status(self, resource: Kind, status: Status) -> None:
        key = key_of(resource)
        if self._store.set_status(key, resource.metadata.uid, status):
            self._write(key)
            self.on_status(key)

    @override
    async def read_secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        folder = self._secret(namespace, name)
        if not folder.is_dir():
            return None
        return {path.name: path.read_text("utf-8") for path in folder.iterdir() if not path.name.startswith(".")}

    @override
    async def apply_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        folder = self._secret(namespace, name)
        for key, value in data.items():
            write_private(folder / key, value)
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in data:
                path.unlink()

    @override
    async def delete_secret(self, namespace: str, name: str) -> None:
        shutil.rmtree(self._secret(namespace, name), ignore_errors=True)

    @override
    async def apply_workload(self, workload: Workload) -> WorkloadState:
        state = await self._pods.apply(workload)
        who = workload.namespace, workload.agent
        if who in self._settings.run_by_person and self._told.get(who) != workload.spec_hash:
            self._told[who] = workload.spec_hash
            self.on_event(Key("AgentDeployment", *who), "RunByYou", self._how_to_run(*who), False)
        return state

    @override
    async def applied_formats(self, namespace: str, agent: str) -> str:
        return self._pods.formats(namespace, agent)

    @override
    async def scale_workload(self, namespace: str, agent: str, replicas: int) -> None:
        """Do nothing: each agent has one process here, and ``ignored_pod_fields`` says so."""

    @override
    async def delete_workload(self, namespace: str, agent: str) -> bool:
        await self._pods.delete(namespace, agent)
        return True

    @override
    def pods(self, namespace: str, agent: str) -> frozenset[str] | None:
        return self._pods.names(namespace, agent)

    @override
    async def set_finalizer(self, resource: Kind | Unreadable, finalizer: str, *, present: bool) -> None:
        key = resource.key if isinstance(resource, Unreadable) else key_of(resource)
        uid = resource.metadata.uid
        applied = self._keep(self._store.set_finalizer(key, uid, finalizer, present=present))
        if applied.removed:
            # Whoever refers to it must look again, and one that was made anew meanwhile begins.
            self.on_changed(key)

    @override
    async def namespace_annotations(self, namespace: str) -> Mapping[str, str]:
        return {}  # folders have no such objects

    @override
    async def record_event(self, key: Key, *, reason: str, message: str, warning: bool) -> None:
        self.on_event(key, reason, message, warning)

    def _how_to_run(self, namespace: str, agent: str) -> str:
        file = shlex.quote(str(self._state.agent_env(namespace, agent)))
        return f"start it (again) with: set -a; . {file}; python {' '.join(self._settings.agent_command)}"

    def _pods_changed(self, namespace: str, agent: str) -> None:
        self.on_changed(Key("AgentDeployment", namespace, agent))

    def _secret(self, namespace: str, name: str) -> Path:
        return self._state.secrets / namespace / name

    def _keep(self, applied: Applied) -> Applied:
        for key in applied.removed:
            self._file(key).unlink(missing_ok=True)
        for key in applied.changed:
            self._write(key)
        if applied.changed or applied.removed:
            write_private_json(self._state.uids, self._store.uids())
        return applied

    def _write(self, key: Key) -> None:
        if (resource := self._store.get(key)) is not None:
            data = {"kind": key.kind, **resource.model_dump(mode="json", by_alias=True, exclude_none=True)}
            write_private_json(self._file(key), data)

    def _file(self, key: Key) -> Path:
        return self._state.resources / f"{key.kind}.{key.namespace}.{key.name}.json"
