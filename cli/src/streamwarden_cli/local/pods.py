"""An agent's pods as processes: agent and gate apart, each with its own credentials and a clean environment."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from streamwarden_contract import runtime_config as names
from streamwarden_kafka.private_files import private_folder, write_private
from streamwarden_operator.ports import Workload, WorkloadState

from streamwarden_cli.local.agent_env import agent_environment
from streamwarden_cli.local.pod_process import Backoff, Launch, PodProcess
from streamwarden_cli.local.stand_ins import AgentProcess, NotStarted, RunByPerson
from streamwarden_cli.local.state import write_private_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from streamwarden_cli.local.agent_env import AgentEnvironment
    from streamwarden_cli.local.local_secrets import LocalSecrets
    from streamwarden_cli.local.state import StateFolder

_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")
"""All that a pod's processes see of dev's own environment: it may hold credentials of the person."""

AGENT_COMMAND = ("-m", "streamwarden.runtime")
GATE_COMMAND = ("-m", "streamwarden_gate.supervisor")
GATE_MEMORY_BYTES = 512 * 1024 * 1024
"""As pods have it unless their manifest says otherwise: a batch that needs more kills the gate, and not the machine."""


@dataclass
class _Pods:
    workload: Workload
    agents: list[AgentProcess] = field(default_factory=list)
    gates: list[PodProcess] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PodSettings:
    """How pods are run."""

    backoff: Backoff = field(default_factory=Backoff)
    agent_grace_s: float = 10.0
    gate_grace_s: float = 10.0
    agent_command: tuple[str, ...] = AGENT_COMMAND
    """Arguments of the agents' interpreter."""
    gate_command: tuple[str, ...] = GATE_COMMAND
    """Arguments of dev's own interpreter."""
    python: str = sys.executable
    """The agents' interpreter."""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What a person gives to all agents; it goes before what manifests say."""
    secrets: LocalSecrets | None = None
    """Where ``env[].valueFrom`` finds its values; None where it is ignored."""
    run_by_person: frozenset[tuple[str, str]] = frozenset()
    """Namespace and name of agents that are not started here."""


class Pods:
    """The pods of all agents."""

    def __init__(self, state: StateFolder, settings: PodSettings, changed: Callable[[str, str], None]) -> None:
        self._state = state
        self._settings = settings
        self._changed = changed
        self._pods: dict[tuple[str, str], _Pods] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def apply(self, workload: Workload) -> WorkloadState:
        """Make the processes match; those of an unchanged ``spec_hash`` go on."""
        who = workload.namespace, workload.agent
        async with self._lock(who):
            pods = self._pods.get(who)
            write_private(self._config(workload, "gate") / names.PUBLIC_KEYS_FILE, workload.public_keys)
            write_private(self._config(workload, "agent") / names.AGENT_INPUTS_FILE, workload.agent_inputs)
            write_private(self._config(workload, "agent") / names.FORMATS_FILE, workload.formats)
            self._note_secrets(workload)
            if pods is not None and pods.workload.spec_hash == workload.spec_hash:
                await self._resize(pods, workload)
            else:
                if pods is not None:
                    await self._stop(pods)
                write_private(self._config(workload, "agent") / names.AGENT_CONFIG_FILE, workload.agent_config)
                write_private(self._config(workload, "gate") / names.GATE_CONFIG_FILE, workload.gate_config)
                pods = self._pods[who] = _Pods(workload)
                await self._resize(pods, workload)
            return _state(pods)

    async def restart_agents(self, namespace: str, agent: str) -> None:
        """Start an agent's own processes again; the gates go on, and absent ones are success."""
        who = namespace, agent
        async with self._lock(who):
            if pods := self._pods.get(who):
                await self._stop_all(pods.agents, self._settings.agent_grace_s)
                pods.agents[:] = [self._agent(pods.workload, ordinal) for ordinal in range(len(pods.agents))]

    async def delete(self, namespace: str, agent: str) -> None:
        """End an agent's processes; absent ones are success."""
        who = namespace, agent
        async with self._lock(who):
            if pods := self._pods.pop(who, None):
                await self._stop(pods)

    async def stop(self) -> None:
        """End everything: all agents first, so that gates can judge what they wrote, then the gates."""
        everything = list(self._pods.values())
        self._pods.clear()
        await self._stop_all([agent for pods in everything for agent in pods.agents], self._settings.agent_grace_s)
        await asyncio.gather(*(self._stop(pods) for pods in everything))

    def pids(self, namespace: str, agent: str) -> tuple[list[int], list[int]]:
        """Return the pids of the agent's and of the gate's running processes."""
        pods = self._pods.get((namespace, agent))
        if pods is None:
            return [], []
        return [p.pid for p in pods.agents if p.pid], [p.pid for p in pods.gates if p.pid]

    def formats(self, namespace: str, agent: str) -> str:
        """Return the formats that the agent was told last."""
        path = self._state.pod_config(namespace, agent) / "agent" / names.FORMATS_FILE
        return path.read_text() if path.is_file() else ""

    def names(self, namespace: str, agent: str) -> frozenset[str]:
        """Return the names of the agent's pods."""
        pods = self._pods.get((namespace, agent))
        return frozenset(_name(agent, ordinal) for ordinal in range(len(pods.agents) if pods else 0))

    def _lock(self, who: tuple[str, str]) -> asyncio.Lock:
        return self._locks.setdefault(who, asyncio.Lock())

    async def _resize(self, pods: _Pods, workload: Workload) -> None:
        pods.workload = workload
        surplus_agents, surplus_gates = pods.agents[workload.replicas :], pods.gates[workload.replicas :]
        del pods.agents[workload.replicas :], pods.gates[workload.replicas :]
        await self._stop_all(surplus_agents, self._settings.agent_grace_s)
        await self._stop_all(surplus_gates, self._settings.gate_grace_s)
        for ordinal in range(len(pods.agents), workload.replicas):
            pods.gates.append(self._start(self._gate(workload, ordinal), workload))
            pods.agents.append(self._agent(workload, ordinal))

    def _start(self, launch: Launch, workload: Workload) -> PodProcess:
        namespace, agent = workload.namespace, workload.agent
        return PodProcess(launch, self._settings.backoff, lambda: self._changed(namespace, agent))

    async def _stop(self, pods: _Pods) -> None:
        await self._stop_all(pods.agents, self._settings.agent_grace_s)
        await self._stop_all(pods.gates, self._settings.gate_grace_s)

    async def _stop_all(self, processes: Sequence[AgentProcess], grace_s: float) -> None:
        await asyncio.gather(*(process.stop(grace_s) for process in processes))

    def _agent(self, workload: Workload, ordinal: int) -> AgentProcess:
        """Start one agent, or what stands in its place."""
        environment = agent_environment(workload.pod, workload.namespace, self._settings.secrets)
        ready_file = self._config(workload, "agent") / f"ready-{ordinal}"
        # The folder comes before the site packages, as the working directory of an image would.
        said = {**environment.said, **environment.secret, **self._settings.env}
        path = os.pathsep.join(filter(None, (str(self._state.project), said.get("PYTHONPATH", ""))))
        own = {
            "PYTHONPATH": path,
            **self._mounts(workload, "agent", workload.agent_secret, ordinal),
            names.ENV_READY_FILE: str(ready_file),
        }
        if (workload.namespace, workload.agent) in self._settings.run_by_person:
            return self._run_by_person(workload, environment, own, ready_file)
        if environment.missing:
            return NotStarted("\n".join(environment.missing))
        launch = self._launch(workload, "agent", self._settings.agent_command, {**_environment(), **said, **own})
        command = (self._settings.python, *self._settings.agent_command)
        return self._start(replace(launch, command=command, ready_file=ready_file), workload)

    def _run_by_person(
        self, workload: Workload, environment: AgentEnvironment, own: Mapping[str, str], ready_file: Path
    ) -> RunByPerson:
        """Write what its process needs; values from Secrets stay where they are."""
        variables = {**environment.said, **own}
        lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
        write_private(self._state.agent_env(workload.namespace, workload.agent), lines)
        return RunByPerson(ready_file, lambda: self._changed(workload.namespace, workload.agent))

    def _gate(self, workload: Workload, ordinal: int) -> Launch:
        # Nothing of the agent's author: neither its environment nor its folder on the path.
        env = {
            **_environment(),
            **self._mounts(workload, "gate", workload.gate_secret, ordinal),
            names.ENV_GATE_MEMORY_LIMIT: str(GATE_MEMORY_BYTES),
        }
        return self._launch(workload, "gate", self._settings.gate_command, env)

    def _launch(self, workload: Workload, role: str, command: tuple[str, ...], env: Mapping[str, str]) -> Launch:
        private_folder(self._state.logs)
        return Launch(
            name=f"{role} of {workload.namespace}/{workload.agent}",
            command=(sys.executable, *command),
            env=env,
            cwd=self._state.project,
            log=self._state.logs / f"{workload.namespace}.{workload.agent}.{role}.log",
        )

    def _mounts(self, workload: Workload, role: str, secret: str, ordinal: int) -> dict[str, str]:
        return {
            names.ENV_CONFIG: str(self._config(workload, role)),
            names.ENV_CREDENTIALS: str(self._state.secrets / workload.namespace / secret),
            names.ENV_POD: _name(workload.agent, ordinal),
        }

    def _config(self, workload: Workload, role: str) -> Path:
        return self._state.pod_config(workload.namespace, workload.agent) / role

    def _note_secrets(self, workload: Workload) -> None:
        """Tell ``streamwarden credentials`` which Secrets the pods mount."""
        secrets = {"agent": workload.agent_secret, "gate": workload.gate_secret}
        write_private_json(self._state.pod_secrets(workload.namespace, workload.agent), secrets)


def _environment() -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # PYTHONSAFEPATH: neither the working directory nor a script's folder may shadow a library.
    return {**inherited, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _name(agent: str, ordinal: int) -> str:
    return f"{agent}-{ordinal}"


def _state(pods: _Pods) -> WorkloadState:
    crashing = [process.crashing for process in (*pods.gates, *pods.agents) if process.crashing]
    ready = sum(process.ready for process in pods.agents)
    return WorkloadState(
        replicas=len(pods.agents), desired=pods.workload.replicas, ready=ready, crashing="\n".join(crashing)
    )
