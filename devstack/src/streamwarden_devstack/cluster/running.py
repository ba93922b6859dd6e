"""A cluster as tests and the demo use it: one object with everything they need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamwarden_devstack.cache import cache_folder
from streamwarden_devstack.cluster.choosing import choose, observe
from streamwarden_devstack.cluster.images import build_images, load_images
from streamwarden_devstack.cluster.kubernetes import Kubectl
from streamwarden_devstack.cluster.reporting import QuietReporter
from streamwarden_devstack.cluster.source_tree import find_source_tree

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from streamwarden_devstack.cluster.choosing import Wanted
    from streamwarden_devstack.cluster.images import Built
    from streamwarden_devstack.cluster.provider import Provider
    from streamwarden_devstack.cluster.reporting import Reporter


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that is up."""

    provider: Provider
    images: Mapping[str, str] = field(default_factory=dict)
    """Name → reference of what was built and loaded: operator, agent, gate, phishing-example."""

    @property
    def kubeconfig(self) -> Path:
        """A file whose current context is this cluster."""
        return self.provider.kubeconfig

    @property
    def host_address(self) -> str:
        """The address at which pods reach this machine."""
        return self.provider.host_address

    def kubectl(self, *arguments: str | Path, stdin: str = "", timeout_s: float = 600.0) -> str:
        """Run ``kubectl`` and give what it wrote to stdout.

        Raises:
            CommandFailedError: It ended with another code than 0; the message has what it said.
        """
        provider = self.provider
        return Kubectl(provider.kubectl, provider.kubeconfig)(*arguments, stdin=stdin, timeout_s=timeout_s)

    def restart_node(self) -> None:
        """Kill all of the node at once and start it again, with its data; returns once it is ready again."""
        self.provider.restart_node()

    def kill_container(self, namespace: str, pod: str, container: str) -> None:
        """Kill a container's processes with SIGKILL, as the kernel does when memory runs out.

        Raises:
            ClusterError: No such container runs.
        """
        kubectl = Kubectl(self.provider.kubectl, self.provider.kubeconfig)
        identity = kubectl.container_id(namespace, pod, container)
        self.provider.run_on_node("ctr", "-n", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", "--all", identity)


def open_cluster(wanted: Wanted | None = None, *, images: bool = True, reporter: Reporter | None = None) -> Cluster:
    """Give a cluster that is up, with Streamwarden's images: found when it is there, else made. It stays up.

    Raises:
        ClusterError: There is no way to one, or it did not come up.
    """
    reporter = reporter or QuietReporter()
    provider = choose(observe(wanted))
    provider.up(reporter)
    return Cluster(provider, load_built(provider, reporter) if images else {})


def load_built(provider: Provider, reporter: Reporter) -> dict[str, str]:
    """Build what has changed, and give the node what it does not have; name → reference."""
    references = {built.name: built.reference for built in build(provider, reporter)}
    load_images(provider, references.values(), cache_folder(), reporter)
    return references


def build(provider: Provider, reporter: Reporter) -> tuple[Built, ...]:
    """Build what has changed in the repository, with the engine that suits a cluster."""
    return build_images(provider.engine, find_source_tree(), cache_folder(), reporter)
