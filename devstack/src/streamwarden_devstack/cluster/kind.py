"""A cluster in a Docker container, made by ``kind``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from streamwarden_kafka.private_files import private_folder

from streamwarden_devstack.cache import cache_folder
from streamwarden_devstack.cluster.addresses import CONTEXT
from streamwarden_devstack.cluster.engines import Docker
from streamwarden_devstack.cluster.errors import ClusterError, CommandFailedError
from streamwarden_devstack.cluster.execute import run, wait_until
from streamwarden_devstack.cluster.kubernetes import Kubectl
from streamwarden_devstack.cluster.provider import Status
from streamwarden_devstack.cluster.source_tree import find_source_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_devstack.cluster.reporting import Reporter

_NAME = "streamwarden"
_NODE = f"{_NAME}-control-plane"
_CONFIG = Path("config", "dev", "kind.yaml")
_READY_TIMEOUT_S = 300.0


class KindCluster:
    """The kind cluster named ``streamwarden``, whether it runs or not."""

    name = "kind"

    def __init__(self, kubeconfig: Path | None = None) -> None:
        self._kubeconfig = kubeconfig or cache_folder() / "cluster" / "kind.kubeconfig"

    @property
    def kubeconfig(self) -> Path:
        """Of this cluster alone; the user's own file is left as it is."""
        return self._kubeconfig

    @property
    def kubectl(self) -> Path:
        """The one on PATH, without which kind is not chosen."""
        return Path(shutil.which("kubectl") or "kubectl")

    @property
    def engine(self) -> Docker:
        """The one on PATH."""
        return Docker()

    @property
    def host_address(self) -> str:
        """The gateway of Docker's network ``kind``."""
        networks = json.loads(run(["docker", "network", "inspect", "kind"]))
        return gateway(networks[0]["IPAM"]["Config"])

    def prepare(self, reporter: Reporter) -> None:
        """Do nothing: others have made its programs."""

    def up(self, reporter: Reporter) -> bool:
        """Make the cluster unless kind knows it."""
        if self._exists():
            return False
        private_folder(self._kubeconfig.parent)
        config = find_source_tree() / _CONFIG
        with reporter.step("making a kind cluster"):
            where = ("--config", config, "--kubeconfig", self._kubeconfig)
            patience = ("--wait", f"{_READY_TIMEOUT_S:.0f}s")
            create = ("kind", "create", "cluster", "--quiet", "--name", _NAME)
            run([*create, *where, *patience], timeout_s=2 * _READY_TIMEOUT_S)
            kubectl = Kubectl(self.kubectl, self._kubeconfig)
            kubectl("config", "rename-context", f"kind-{_NAME}", CONTEXT)
            wait_until(kubectl.can_make_pods, "the default service account", _READY_TIMEOUT_S)
        return True

    def down(self) -> bool:
        """Remove the container with all that is in it."""
        existed = self._exists()
        if existed:
            run(["kind", "delete", "cluster", "--name", _NAME, "--kubeconfig", self._kubeconfig])
        self._kubeconfig.unlink(missing_ok=True)
        return existed

    def status(self) -> Status:
        """Ask kind and the API server."""
        if not self._exists():
            return Status(self.name, running=False)
        kubectl = Kubectl(self.kubectl, self._kubeconfig)
        try:
            return Status(self.name, running=True, ready=kubectl.has_ready_node(), version=kubectl.version())
        except CommandFailedError as error:
            return Status(self.name, running=True, detail=str(error))

    def loaded_images(self) -> frozenset[str]:
        """What containerd in the container has."""
        return frozenset(self.run_on_node("ctr", "-n", "k8s.io", "images", "ls", "-q").split())

    def load_images(self, archives: Sequence[Path]) -> None:
        """As kind does it."""
        for archive in archives:
            run(["kind", "load", "image-archive", archive, "--name", _NAME])

    def restart_node(self) -> None:
        """Kill the container and start it again."""
        kubectl = Kubectl(self.kubectl, self._kubeconfig)
        before = kubectl.heartbeats()
        run(["docker", "kill", _NODE])
        run(["docker", "start", _NODE])
        wait_until(lambda: kubectl.has_ready_node(before), "a node that is ready", _READY_TIMEOUT_S)

    def run_on_node(self, *command: str) -> str:
        """In the container."""
        return run(["docker", "exec", _NODE, *command])

    def _exists(self) -> bool:
        return _NAME in run(["kind", "get", "clusters"]).split()


def gateway(networks: Sequence[dict[str, str]]) -> str:
    """Give the IPv4 gateway of a Docker network's address ranges.

    Raises:
        ClusterError: It has none.
    """
    for network in networks:
        address = network.get("Gateway", "")
        if address and ":" not in address:
            return address
    raise ClusterError("Docker's network 'kind' has no IPv4 gateway")
