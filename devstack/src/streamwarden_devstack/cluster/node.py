"""The node's first process: started in namespaces of its own, found again by its pid, killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamwarden_kafka.private_files import write_private

from streamwarden_devstack.cluster import network
from streamwarden_devstack.cluster.addresses import CGROUP
from streamwarden_devstack.cluster.errors import NotReadyError
from streamwarden_devstack.cluster.execute import run, wait_until
from streamwarden_devstack.logs import end_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_INIT = Path(__file__).with_name("init.py")
_CGROUPS = Path("/sys/fs/cgroup")
_START_TIMEOUT_S = 20.0
_END_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Node:
    """The node of one state folder, whether it runs or not."""

    state: Path
    log: Path
    """What the first process has to say."""

    @property
    def _identity(self) -> Path:
        return self.state / "node.json"

    def pid(self) -> int | None:
        """The first process as the host knows it; ``None`` while there is none.

        Pids are used again: it is ours only when its pid namespace is the one that was noted.
        """
        try:
            noted = json.loads(self._identity.read_text("utf-8"))
            namespace = _namespace_of(noted["pid"])
        except (FileNotFoundError, ProcessLookupError):
            return None
        ours = namespace == noted["pid_namespace"] and namespace != _namespace_of("self")
        return int(noted["pid"]) if ours else None

    def start(self, plan: dict[str, Any]) -> None:
        """Start the first process, detached, and connect it with the host.

        Raises:
            NotReadyError: It did not come up.
        """
        self._identity.unlink(missing_ok=True)
        path = write_private(self.state / "plan.json", json.dumps(plan, indent=2))
        namespaces = ["unshare", "--pid", "--mount", "--net", "--ipc", "--fork", "--kill-child"]
        with self.log.open("ab") as log:
            # setsid --fork: nobody's child afterwards, so that it survives this command and is reaped in any case.
            command = ["setsid", "--fork", *namespaces, sys.executable, "-I", "-S", str(_INIT), str(path)]
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
        try:
            wait_until(lambda: self.pid() is not None, "the node's first process", _START_TIMEOUT_S)
        except NotReadyError as error:
            raise NotReadyError(f"{error}. Its log, {self.log}, ends:\n{end_of(self.log)}") from error
        network.join(self.require_pid())

    def kill(self) -> bool:
        """Kill the first process, and with it everything in its namespaces; whether there was one.

        Raises:
            NotReadyError: It does not end.
        """
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: self.pid() is None, f"the end of the node (pid {pid})", _END_TIMEOUT_S)
        wait_until(_cgroups_are_gone, "the end of the pods' cgroups", _END_TIMEOUT_S)
        return pid is not None

    def run_inside(self, *command: str | Path, timeout_s: float = 600.0) -> str:
        """Run a program in the node's namespaces and give what it wrote to stdout."""
        entering = ["nsenter", "-t", str(self.require_pid()), "-m", "-n", "-p", "-i", "-r", "--"]
        return run([*entering, *command], timeout_s=timeout_s)

    def require_pid(self) -> int:
        """The first process.

        Raises:
            NotReadyError: There is none.
        """
        pid = self.pid()
        if pid is None:
            raise NotReadyError(f"the node does not run. Its log, {self.log}, ends:\n{end_of(self.log)}")
        return pid


def _namespace_of(pid: int | str) -> str:
    return str(Path(f"/proc/{pid}/ns/pid").readlink())


def _cgroups_are_gone() -> bool:
    """Remove what the pods left of the cgroups; whether all of it is gone."""
    for parent in _our_cgroups():
        for folder, _, _ in os.walk(parent, topdown=False):
            with contextlib.suppress(OSError):
                # Busy while its last processes end.
                Path(folder).rmdir()
    return not any(_our_cgroups())


def _our_cgroups() -> Iterator[Path]:
    name = CGROUP.lstrip("/")
    candidates = (_CGROUPS / name, *(hierarchy / name for hierarchy in _CGROUPS.iterdir() if hierarchy.is_dir()))
    return (folder for folder in candidates if folder.is_dir())
