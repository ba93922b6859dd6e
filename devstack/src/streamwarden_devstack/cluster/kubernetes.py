"""Questions to an API server, by way of ``kubectl``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamwarden_devstack.cluster.errors import ClusterError
from streamwarden_devstack.cluster.execute import run, succeeds

if TYPE_CHECKING:
    from pathlib import Path

_REQUEST_TIMEOUT = "--request-timeout=10s"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A ``kubectl`` with the cluster it speaks to."""

    program: Path
    kubeconfig: Path

    def __call__(self, *arguments: str | Path, stdin: str = "", timeout_s: float = 600.0) -> str:
        """Run it and give what it wrote to stdout.

        Raises:
            CommandFailedError: It ended with another code than 0; the message has what it said.
        """
        return run([*self._command, *arguments], stdin=stdin, timeout_s=timeout_s)

    def answers(self) -> bool:
        """Whether the API server says that it is ready."""
        return succeeds([*self._command, _REQUEST_TIMEOUT, "get", "--raw", "/readyz"])

    def version(self) -> str:
        """The API server's version."""
        answer: dict[str, str] = json.loads(self(_REQUEST_TIMEOUT, "get", "--raw", "/version"))
        return answer["gitVersion"]

    def heartbeats(self) -> dict[str, str]:
        """When each node that is ready last said so."""
        nodes = json.loads(self(_REQUEST_TIMEOUT, "get", "nodes", "-o", "json"))["items"]
        return {
            node["metadata"]["name"]: condition["lastHeartbeatTime"]
            for node in nodes
            for condition in node["status"].get("conditions", [])
            if condition["type"] == "Ready" and condition["status"] == "True"
        }

    def has_ready_node(self, but: dict[str, str] | None = None) -> bool:
        """Whether a node is ready, by another heartbeat than one of those."""
        return any(beat != (but or {}).get(name) for name, beat in self.heartbeats().items())

    def can_make_pods(self) -> bool:
        """Whether the default service account is there, without which no pod is accepted."""
        return succeeds([*self._command, _REQUEST_TIMEOUT, "get", "serviceaccount", "default"])

    def reaches_kubelet(self, node: str) -> bool:
        """Whether a node's kubelet serves logs and the like: it says that it is ready a little before it does."""
        return succeeds([*self._command, _REQUEST_TIMEOUT, "get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz"])

    def container_id(self, namespace: str, pod: str, container: str) -> str:
        """The runtime's name of a container that runs.

        Raises:
            ClusterError: No such container runs.
        """
        status = json.loads(self("get", "pod", pod, "-n", namespace, "-o", "json"))["status"]
        of_pod = [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]
        for found in of_pod:
            if found["name"] == container and "running" in found["state"]:
                identity: str = found["containerID"]
                return identity.rpartition("/")[2]
        raise ClusterError(f"no container {container} of pod {namespace}/{pod} runs")

    @property
    def _command(self) -> list[str | Path]:
        return [self.program, "--kubeconfig", self.kubeconfig]
