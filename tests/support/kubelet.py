"""A kubelet's part for an API server without nodes: pods are said to run, and their gates do, as processes here."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streamwarden_contract.runtime_config import ENV_CONFIG, ENV_CREDENTIALS, ENV_POD
from support.api_server import READY_AGENT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from support.kube_http import KubeHttp, Manifest

OURS = "app.kubernetes.io/managed-by=streamwarden-operator"
_AGENT = "app.kubernetes.io/instance"
_STOP_S = 20.0
_RUNNING = {
    "phase": "Running",
    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    "containerStatuses": [READY_AGENT],
}


@dataclass
class _Gate:
    """The gate's container of one pod."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    codes: list[int] = field(default_factory=list)
    """What its processes ended with by themselves."""


class Kubelet:
    """Takes steps, one look at the API server each. Of some agents it runs the gates, of others nothing."""

    def __init__(self, kube: KubeHttp, folder: Path, agents: Collection[str]) -> None:
        """Run nothing yet.

        Args:
            kube: the API server.
            folder: for what gates find in their containers, and their logs.
            agents: whose gates are run.
        """
        self._kube, self._folder, self._agents = kube, folder, agents
        self._gates: dict[str, _Gate] = {}
        self._said: set[str] = set()

    def step(self) -> None:
        """Look at the pods that there are: start, start again and end what is to be."""
        pods = {pod["metadata"]["name"]: pod for pod in self._kube.list("Pod", OURS)}
        for name in self._gates.keys() - pods.keys():
            self._end(self._gates.pop(name))
        self._said &= pods.keys()
        for name, pod in pods.items():
            if "deletionTimestamp" in pod["metadata"]:
                continue
            if name not in self._said:
                self._kube.say("Pod", name, _RUNNING)
                self._said.add(name)
            if pod["metadata"]["labels"].get(_AGENT) in self._agents:
                self._keep(name, pod)

    def close(self) -> None:
        """End all gates, as on a node that is drained."""
        for gate in self._gates.values():
            self._end(gate)
        self._gates.clear()

    def text(self) -> str:
        """Return the ends of all gates' logs."""
        logs = sorted(self._folder.glob("*/log"), key=lambda log: log.stat().st_mtime)
        return "\n".join(f"{log.parent.name}:\n{log.read_text(errors='replace')[-3_000:]}" for log in logs[-4:])

    def _keep(self, name: str, pod: Manifest) -> None:
        gate = self._gates.get(name) or _Gate(self._folder / name)
        if gate.process is not None:
            code = gate.process.poll()
            if code is None:
                return
            gate.codes.append(code)
        if not self._mount(gate, pod):
            return  # as a kubelet: until there is what it mounts
        environment = {
            ENV_CONFIG: str(gate.folder / "config"),
            ENV_CREDENTIALS: str(gate.folder / "credentials"),
            ENV_POD: name,
        }
        own = {key: value for key, value in os.environ.items() if not key.startswith("STREAMWARDEN_")}
        with (gate.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "streamwarden_gate.supervisor"]
            gate.process = subprocess.Popen(command, env=own | environment, stdout=log, stderr=log)
        gate.starts += 1
        self._gates[name] = gate

    def _mount(self, gate: _Gate, pod: Manifest) -> bool:
        """Write what the gate's container mounts; False where something is not there."""
        for purpose, files in self._mounted(pod):
            if files is None:
                return False
            folder = gate.folder / purpose
            folder.mkdir(parents=True, exist_ok=True)
            for file, content in files.items():
                (folder / file).write_bytes(content)
                (folder / file).chmod(0o600)
        return True

    def _mounted(self, pod: Manifest) -> Iterator[tuple[str, dict[str, bytes] | None]]:
        for volume in pod["spec"]["volumes"]:
            purpose = volume["name"].rpartition("gate-")[2]
            if purpose == volume["name"]:
                continue  # the agent's
            if "secret" in volume:
                yield purpose, bytes_of(self._kube.get("Secret", volume["secret"]["secretName"]))
            elif "configMap" in volume:
                yield purpose, bytes_of(self._kube.get("ConfigMap", volume["configMap"]["name"]))

    def _end(self, gate: _Gate) -> None:
        if gate.process is None or gate.process.poll() is not None:
            return
        gate.process.send_signal(signal.SIGTERM)
        try:
            gate.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            gate.process.kill()
            gate.process.wait()


def bytes_of(found: Any) -> dict[str, bytes] | None:
    if found is None:
        return None
    data: dict[str, str] = found.get("data") or {}
    if found["kind"] == "Secret":
        return {name: base64.b64decode(value) for name, value in data.items()}
    return {name: value.encode() for name, value in data.items()}
