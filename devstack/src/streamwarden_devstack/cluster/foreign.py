"""A cluster that is not ours, used because the user has named its context."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from streamwarden_kafka.private_files import private_folder, write_private

from streamwarden_devstack.cache import cache_folder
from streamwarden_devstack.cluster.engines import Docker
from streamwarden_devstack.cluster.errors import ClusterError, CommandFailedError, ContextError
from streamwarden_devstack.cluster.execute import run
from streamwarden_devstack.cluster.kubernetes import Kubectl
from streamwarden_devstack.cluster.provider import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_devstack.cluster.reporting import Reporter


class ForeignCluster:
    """The cluster behind one context of a kubeconfig."""

    name = "foreign"

    def __init__(self, context: str, kubeconfig: Path | None = None, host_address: str = "") -> None:
        self._context = context
        self._source = kubeconfig
        self._host_address = host_address
        # A copy with this one context: whatever is the current one elsewhere, nobody ends up there.
        digest = hashlib.sha256(f"{kubeconfig}\0{context}".encode()).hexdigest()[:12]
        self._kubeconfig = cache_folder() / "cluster" / "foreign" / f"{digest}.kubeconfig"

    @property
    def kubeconfig(self) -> Path:
        """A copy of the user's, with the named context alone (0600)."""
        return self._kubeconfig

    @property
    def kubectl(self) -> Path:
        """The user's."""
        found = shutil.which("kubectl")
        if found is None:
            raise ClusterError("a cluster of yours needs kubectl on PATH")
        return Path(found)

    @property
    def engine(self) -> Docker:
        """The one on PATH."""
        return Docker()

    @property
    def host_address(self) -> str:
        """What the user says."""
        if not self._host_address:
            raise ClusterError("how pods of this cluster reach this machine is not known: say so with --host-address")
        return self._host_address

    def prepare(self, reporter: Reporter) -> None:
        """Do nothing: others have made its programs."""

    def up(self, reporter: Reporter) -> bool:  # noqa: ARG002  # the protocol's
        """Copy the context and ask the API server; nothing is ever made."""
        source = [f"--kubeconfig={self._source}"] if self._source is not None else []
        view = ["config", "view", "--minify", "--flatten", "--raw", f"--context={self._context}"]
        try:
            text = run([self.kubectl, *source, *view])
        except CommandFailedError as error:
            raise ContextError(f"there is no context {self._context}: {error}") from error
        private_folder(self._kubeconfig.parent)
        write_private(self._kubeconfig, text)
        kubectl = Kubectl(self.kubectl, self._kubeconfig)
        kubectl("config", "use-context", self._context)
        if not kubectl.answers():
            raise ClusterError(f"the API server of context {self._context} does not answer, or is not ready")
        return False

    def down(self) -> bool:
        """Forget the context's copy; the cluster itself is not ours to take away."""
        self._kubeconfig.unlink(missing_ok=True)
        return False

    def status(self) -> Status:
        """Ask the API server."""
        try:
            if not self._kubeconfig.is_file():
                return Status(self.name, running=False, detail=f"context {self._context} has not been taken up")
            kubectl = Kubectl(self.kubectl, self._kubeconfig)
            return Status(self.name, running=True, ready=kubectl.has_ready_node(), version=kubectl.version())
        except ClusterError as error:
            return Status(self.name, running=False, detail=str(error))

    def loaded_images(self) -> frozenset[str]:
        """Nobody knows what its nodes have."""
        raise self._not_ours("asking for its nodes' images")

    def load_images(self, archives: Sequence[Path]) -> None:  # noqa: ARG002  # the protocol's
        """Not without a registry."""
        raise self._not_ours("loading images")

    def restart_node(self) -> None:
        """Not that of others."""
        raise self._not_ours("restarting its node")

    def run_on_node(self, *command: str) -> str:  # noqa: ARG002  # the protocol's
        """Not on that of others."""
        raise self._not_ours("running programs on its node")

    def _not_ours(self, what: str) -> ClusterError:
        return ClusterError(
            f"{what} is not ours to do in a cluster of yours ({self._context}). Push the images to a registry that it "
            f"reads, and bring it up with --no-images."
        )
