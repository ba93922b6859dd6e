"""The embedded cluster: one real Kubernetes node on this machine, without Docker. Linux and root are all it takes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from streamwarden_kafka.private_files import private_folder, write_private

from streamwarden_devstack.cache import cache_folder
from streamwarden_devstack.cluster import network
from streamwarden_devstack.cluster.addresses import HOST_ADDRESS, LOCK, NODE_NAME, PAUSE_IMAGE, STATE_FOLDER
from streamwarden_devstack.cluster.archive import write_image
from streamwarden_devstack.cluster.engines import Buildah, build_lock
from streamwarden_devstack.cluster.errors import ClusterError, CommandFailedError, NotReadyError
from streamwarden_devstack.cluster.execute import one_at_a_time, wait_until
from streamwarden_devstack.cluster.filesystems import is_layered, mounts_below
from streamwarden_devstack.cluster.kubernetes import Kubectl
from streamwarden_devstack.cluster.node import Node
from streamwarden_devstack.cluster.packages import NODE, require
from streamwarden_devstack.cluster.pki import write_pki
from streamwarden_devstack.cluster.provider import Status
from streamwarden_devstack.cluster.services import PRIVATE_FOLDERS, Layout, build_files, build_plan
from streamwarden_devstack.cluster.tools import ensure_tools, tools_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_devstack.cluster.reporting import Reporter

_READY_TIMEOUT_S = 180.0
_IMAGES_TIMEOUT_S = 60.0
_MADE_BY_US = "mount-points"
"""Names the empty folders outside of the state that were made for its mounts."""


class EmbeddedCluster:
    """The one embedded cluster of this machine, whether it runs or not."""

    name = "embedded"
    host_address = HOST_ADDRESS

    def __init__(self, cache: Path | None = None, state: Path = STATE_FOLDER) -> None:
        self._cache = cache or cache_folder()
        self._layout = Layout(state, tools_folder(self._cache), "native" if is_layered(state) else "overlayfs")
        self._node = Node(state, self._layout.logs / "node.log")

    @property
    def kubeconfig(self) -> Path:
        """The administrator's (0600)."""
        return self._layout.kubeconfig

    @property
    def kubectl(self) -> Path:
        """Of the same build as everything else."""
        return self._layout.programs / "kubectl"

    @property
    def engine(self) -> Buildah:
        """Needs no more than the cluster does."""
        return Buildah(self._cache)

    def prepare(self, reporter: Reporter) -> None:
        """Build the programs that are missing."""
        require(NODE)
        with one_at_a_time(LOCK):
            ensure_tools(self._cache, reporter)

    def up(self, reporter: Reporter) -> bool:
        """Build what is missing, then start an empty cluster, unless it runs."""
        require(NODE)
        with one_at_a_time(LOCK):
            if self.runs():
                return False
            ensure_tools(self._cache, reporter)
            try:
                with reporter.step("starting Kubernetes"):
                    self._start()
            except BaseException:
                # Also Ctrl-C: what is not up is not left half up.
                self._clear_away(keep_logs=True)
                raise
        return True

    def down(self) -> bool:
        """Kill everything, and remove every file, link and cgroup, and what killed builds of images have mounted."""
        with one_at_a_time(LOCK):
            taken = self._clear_away()
        with one_at_a_time(build_lock(self._cache), wait=False) as nobody_builds:
            if nobody_builds:
                self.engine.remove_containers()
        return taken

    def status(self) -> Status:
        """Ask the API server and look at the node's condition."""
        if not self.runs():
            return Status(self.name, running=False)
        kubectl = self._kubectl
        try:
            return Status(self.name, running=True, ready=kubectl.has_ready_node(), version=kubectl.version())
        except CommandFailedError as error:
            return Status(self.name, running=True, detail=str(error))

    def runs(self) -> bool:
        """Whether its node is there, ready or not."""
        return self._node.pid() is not None

    def loaded_images(self) -> frozenset[str]:
        """What containerd has."""
        return frozenset(self.run_on_node("ctr", "-n", "k8s.io", "images", "ls", "-q").split())

    def load_images(self, archives: Sequence[Path]) -> None:
        """Import them into containerd."""
        for archive in archives:
            self.run_on_node("ctr", "-n", "k8s.io", "images", "import", "--local", str(archive.absolute()))

    def restart_node(self) -> None:
        """As after a power failure: etcd's data, the kubelet's and containerd's are what they were."""
        with one_at_a_time(LOCK):
            before = self._kubectl.heartbeats()
            self._node.kill()
            self._node.start(build_plan(self._layout))
            self._wait_ready(before)

    def run_on_node(self, *command: str) -> str:
        """In the node's namespaces; a program of the build is found by its name."""
        program = self._layout.programs / command[0]
        return self._node.run_inside(program if program.is_file() else command[0], *command[1:])

    @property
    def _kubectl(self) -> Kubectl:
        return Kubectl(self.kubectl, self.kubeconfig)

    def _start(self) -> None:
        self._clear_away()
        layout = self._layout
        private_folder(layout.state)
        private_folder(layout.logs)
        write_pki(layout.pki)
        for path, text in build_files(layout).items():
            private_folder(path.parent)
            write_private(path, text)
        mount_points = [*PRIVATE_FOLDERS, "/etc/cni", "/opt/cni/bin", "/opt/cni"]
        write_private(layout.state / _MADE_BY_US, "\n".join(one for one in mount_points if not Path(one).exists()))
        network.make_bridge()
        self._node.start(build_plan(layout))
        self._load_pause()
        self._wait_ready()

    def _load_pause(self) -> None:
        archive = write_image(self._layout.state / "pause.tar", PAUSE_IMAGE, self._layout.programs / "pause")

        def loaded() -> bool:
            self.load_images([archive])
            return True

        wait_until(loaded, "containerd", _IMAGES_TIMEOUT_S)
        archive.unlink()

    def _wait_ready(self, before: dict[str, str] | None = None) -> None:
        def ready() -> bool:
            self._node.require_pid()
            kubectl = self._kubectl
            return kubectl.has_ready_node(before) and kubectl.can_make_pods() and kubectl.reaches_kubelet(NODE_NAME)

        try:
            wait_until(ready, "a node that is ready", _READY_TIMEOUT_S)
        except NotReadyError as error:
            raise NotReadyError(f"{error}\nThe logs of all programs are in {self._layout.logs}.") from error

    def _clear_away(self, *, keep_logs: bool = False) -> bool:
        state = self._layout.state
        killed = self._node.kill()
        had_bridge = network.remove_bridge()
        made_by_us = state / _MADE_BY_US
        for folder in made_by_us.read_text("utf-8").splitlines() if made_by_us.is_file() else ():
            _remove_if_empty(Path(folder))
        if state.is_dir():
            if mounted := mounts_below(state):
                raise ClusterError(f"nothing is removed from {state}: something is mounted on {', '.join(mounted)}")
            for entry in state.iterdir():
                if not (keep_logs and entry == self._layout.logs):
                    _remove(entry)
            _remove_if_empty(state)
            _remove_if_empty(state.parent)
        return killed or had_bridge


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
