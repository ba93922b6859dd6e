"""What a kubelet does for gates: each pod's gate runs as a process over the files that its volumes name.

The API server has no node, so nothing happens beside the test: every ``sync`` looks at the pods once.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from support.gate_process import SUPERVISED, end_gates, show_ends, start_gate

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

    from support.api_server import ApiServer


class GatePods:
    """The gates of one namespace."""

    def __init__(self, server: ApiServer, folder: Path, namespace: str) -> None:
        self._server, self._folder, self._namespace = server, folder, namespace
        folder.mkdir(parents=True)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        """By pod."""
        self.starts: list[str] = []
        """The pod of each process that was ever started."""

    def sync(self) -> None:
        """Start what is missing, end whose pod is gone, and give the others what their volumes hold now."""
        kinds = "pods,configmaps,secrets"
        listed = json.loads(self._server.kubectl("get", kinds, "-n", self._namespace, "-o", "json"))["items"]
        found = {(each["kind"], each["metadata"]["name"]): each for each in listed}
        pods = {name: each for (kind, name), each in found.items() if kind == "Pod"}
        for name in self.processes.keys() - pods.keys():
            end_gates([self.processes.pop(name)])
        for name, pod in pods.items():
            if self._mount(name, pod, found):
                self._keep_running(name)

    def close(self) -> None:
        """End all, and show what they said last."""
        show_ends(self._folder.glob("log-*"))
        end_gates(self.processes.values())
        self.processes.clear()

    def _mount(self, name: str, pod: dict[str, Any], found: Mapping[tuple[str, str], dict[str, Any]]) -> bool:
        """Write the gate's files; tell whether all that it mounts is there."""
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        config = volumes["streamwarden-gate-config"]["configMap"]["name"]
        secret = volumes["streamwarden-gate-credentials"]["secret"]["secretName"]
        if ("ConfigMap", config) not in found or ("Secret", secret) not in found:
            return False
        texts = found["ConfigMap", config]["data"]
        values = {key: base64.b64decode(text).decode() for key, text in found["Secret", secret]["data"].items()}
        _write(self._folder / name / "config", texts)
        _write(self._folder / name / "credentials", values)
        return True

    def _keep_running(self, name: str) -> None:
        running = self.processes.get(name)
        if running is not None and running.poll() is None:
            return
        folder = self._folder / name
        self.processes[name] = start_gate(
            folder / "config", folder / "credentials", name, self._folder / f"log-{name}", module=SUPERVISED
        )
        self.starts.append(name)
        self._server.say_ready(self._namespace, name)


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write what is other than before, each file at once, as a kubelet does."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        file, part = folder / name, folder / f".{name}"
        if not file.exists() or file.read_text() != text:
            part.write_text(text)
            part.chmod(0o600)
            part.rename(file)
