"""What the three kinds of clusters have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streamwarden_devstack.cluster.engines import Engine
    from streamwarden_devstack.cluster.reporting import Reporter


@dataclass(frozen=True, slots=True)
class Status:
    """Whether a cluster is there, and whether its nodes are ready."""

    provider: str
    running: bool
    ready: bool = False
    version: str = ""
    """Kubernetes'."""
    detail: str = ""

    def describe(self) -> str:
        """For a person, on one line."""
        if not self.running:
            return self.detail or f"no cluster ({self.provider}) runs here"
        condition = "ready" if self.ready else "not ready"
        return f"{self.provider} cluster, Kubernetes {self.version or 'unknown'}: {condition}" + (
            f" ({self.detail})" if self.detail else ""
        )


class Provider(Protocol):
    """A cluster that is there, or can be made."""

    @property
    def name(self) -> str:
        """``embedded``, ``kind`` or ``foreign``."""

    @property
    def kubeconfig(self) -> Path:
        """A file whose current context is the cluster's; it is there once the cluster is up."""

    @property
    def kubectl(self) -> Path:
        """A ``kubectl`` that suits it."""

    @property
    def engine(self) -> Engine:
        """What its images are built with."""

    @property
    def host_address(self) -> str:
        """The address at which pods reach this machine.

        Raises:
            ClusterError: It is not known.
        """

    def prepare(self, reporter: Reporter) -> None:
        """Make everything that a start needs and that lasts, and start nothing.

        Raises:
            ClusterError: Something is missing on this machine; it says what to do.
        """

    def up(self, reporter: Reporter) -> bool:
        """Make the cluster, or find that it is there; whether it had to be made. Returns once its node is ready.

        Raises:
            ClusterError: It did not come up. Nothing of it is left then.
        """

    def down(self) -> bool:
        """Take the cluster away; whether there was one. Idempotent."""

    def status(self) -> Status:
        """Look what is there, and change nothing."""

    def loaded_images(self) -> frozenset[str]:
        """The references of all images that the node has."""

    def load_images(self, archives: Sequence[Path]) -> None:
        """Give image archives to the node, without any registry."""

    def restart_node(self) -> None:
        """Kill all of the node at once and start it again, with its data; returns once it is ready again."""

    def run_on_node(self, *command: str) -> str:
        """Run a program of the node, such as containerd's ``ctr``, and give what it wrote to stdout."""
