"""``streamwarden-operator run`` as a process beside the API server, with the rights that config/ gives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from streamwarden_devstack.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from support.api_server import ApiServer

COMMAND = Path(sys.executable).with_name("streamwarden-operator")
PATIENCE_S = 60.0


def operator_environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Return this process's environment with exactly these settings (names without their prefix)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STREAMWARDEN_")}
    return kept | {f"STREAMWARDEN_{name.upper()}": str(value) for name, value in settings.items()}


def allow_lease(server: ApiServer, installation: str) -> None:
    """Let the operator of another installation's name have its Lease, as docs/operate.md says."""
    added = [{"op": "add", "path": "/rules/1/resourceNames/-", "value": f"{installation}-leader"}]
    role = ("role", "streamwarden-operator-signing-key", "-n", "streamwarden")
    server.kubectl("patch", *role, "--type=json", "-p", json.dumps(added))


class OperatorProcess:
    """A started operator. Its log is JSON, one object a line."""

    def __init__(
        self,
        folder: Path,
        kubeconfig: Path,
        command: Sequence[str | Path] = (COMMAND, "run"),
        /,
        *,
        pod: object = "",
        **settings: object,
    ) -> None:
        """Start it.

        Args:
            folder: for its log.
            kubeconfig: of the user that it is.
            command: what is run.
            pod: whose container it is; empty: of none.
            settings: all of its settings.
        """
        (self.health_port,) = free_ports(1)
        self._log = folder / f"operator-{time.time_ns()}.log"
        env = operator_environment({"health_port": self.health_port, **settings}) | {"KUBECONFIG": str(kubeconfig)}
        env |= {"POD_ID": str(pod)} if pod else {}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def ready(self) -> bool:
        """Ask as a kubelet would."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.health_port}/readyz", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def wait_ready(self) -> None:
        until(lambda: self.ready() or self._process.poll() is not None, self.text)
        assert self._process.poll() is None, self.text()

    def text(self) -> str:
        return self._log.read_text(errors="replace")

    def log(self) -> Iterator[dict[str, Any]]:
        """Return what it said, line by line."""
        yield from (json.loads(line) for line in self.text().splitlines(keepends=True) if line.endswith("\n"))

    def said(self) -> Iterator[dict[str, Any]]:
        """Return its log so far, without what libraries say beside it and a last line that a kill has cut short."""
        yield from (json.loads(line) for line in self.text().splitlines() if line.startswith("{") and line[-1] == "}")

    def look(self) -> dict[str, Any] | None:
        """Return what it is busy with; None where it does not answer, or does not work yet."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.health_port}/debug/tasks", timeout=30)
        except httpx.TransportError:
            return None
        return answer.raise_for_status().json() or None

    def is_idle(self) -> bool:
        """Whether none of its reconciles runs, and none waits for its turn."""
        looked = self.look()
        return looked is not None and not looked["running"] and not looked["waiting"]

    def has_said(self, event: str) -> bool:
        """Whether its log has this event."""
        return any(line["event"] == event for line in self.log())

    @property
    def user_agent(self) -> str:
        """By which the API server's audit log knows it, once it is ready."""
        identity = next(line["identity"] for line in self.log() if line["event"] == "operator started")
        return f"streamwarden-operator/{identity}"

    def signal(self, number: int) -> None:
        """Send a signal, as SIGSTOP."""
        self._process.send_signal(number)

    def stop(self) -> int:
        """Send SIGTERM; returns the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def peak_memory_bytes(self) -> int:
        """Return the most memory that it ever had (Linux)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))

    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait(self) -> int:
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it whatever happened."""
        if self._process.poll() is None:
            self.kill()


def until(holds: Callable[[], object], explain: Callable[[], str] = str, wait_s: float = PATIENCE_S) -> None:
    """Wait until something holds; fail with an explanation."""
    deadline = time.monotonic() + wait_s
    while not holds():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)
