"""A real API server for the session: etcd, kube-apiserver and the controllers that delete and create, on loopback.

No node: pods are made by the controllers and stay Pending; tests write their status as a kubelet would. Nothing is
cleaned between tests: each takes a namespace of its own.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import subprocess
import time
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from kubernetes.aio.client import Configuration
from streamwarden_devstack.cache import cache_folder
from streamwarden_devstack.cluster.pki import build_pki
from streamwarden_devstack.cluster.tools import DEFAULT, tools_folder
from streamwarden_devstack.ports import free_ports
from streamwarden_devstack.processes import Child
from streamwarden_operator.adapters.kubernetes.client import KubernetesClient
from support.kube_http import KubeHttp
from support.loop_thread import LoopThread
from support.needs import without_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[2]
OPERATOR_USER = "system:serviceaccount:streamwarden:streamwarden-operator"
"""As config/rbac names it."""

READY_AGENT = {
    "name": "agent",
    "ready": True,
    "image": "x",
    "imageID": "",
    "restartCount": 0,
    "state": {"running": {}},
}
"""The agent's container in a pod's status, as a kubelet says it of one that is ready."""

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata", "verbs": ["create", "update", "patch", "delete"]}, {"level": "None"}],
}
_SERVER = "kube-apiserver"
_NEEDED = ("etcd", _SERVER, "kubectl")
_CONTROLLERS = "kube-controller-manager"
TESTED = "TESTED_KUBERNETES"
"""Names another version of the API server than the newest; ``make versions`` sets it."""


class ApiServer:
    """A started API server; ask it as any user."""

    def __init__(self, folder: Path, programs: Mapping[str, Path]) -> None:
        self._folder, self._programs = folder, programs
        self._etcd_port, self._peer_port, self.port, self._controllers_port = free_ports(4)
        self._children: list[Child] = []
        self.url = self.url_at(self.port)
        self.kubeconfig = folder / "admin.conf"

    @staticmethod
    def url_at(port: int) -> str:
        """Return the address of the API server, or of what carries to it."""
        return f"https://127.0.0.1:{port}"

    async def start(self) -> None:
        """Start everything; returns once it answers."""
        self._write_files()
        await self._run("etcd", self._etcd())
        await self._run(_SERVER, self._apiserver())
        await asyncio.to_thread(self._await_ready)
        if _CONTROLLERS in self._programs:
            await self._run(_CONTROLLERS, self._controller_manager())

    async def stop(self) -> None:
        """End everything, last started first."""
        for child in reversed(self._children):
            await child.stop(2.0)

    def configuration(self, user: str = "admin") -> Configuration:
        """Return what a client needs to speak as this user."""
        configuration = Configuration()
        configuration.host = self.url
        configuration.ssl_ca_cert = str(self._folder / "ca.crt")
        configuration.api_key["BearerToken"] = f"Bearer {self._token(user)}"
        return configuration

    def client(self, user: str = "admin", *, timeout_s: float = 10.0) -> KubernetesClient:
        """Return a client that speaks as this user; close it."""
        return KubernetesClient(self.configuration(user), timeout_s=timeout_s)

    def kubeconfig_of(self, user: str, url: str = "") -> Path:
        """Write a kubeconfig of this user, and return its path; with another address where one is given."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": self._token(user)}
        config["clusters"][0]["cluster"]["server"] = url or self.url
        path = self._folder / f"{user.replace(':', '-')}{url.rpartition(':')[2]}.conf"
        path.write_text(yaml.safe_dump(config))
        path.chmod(0o600)
        return path

    def http(self, namespace: str) -> KubeHttp:
        """Return a client of one namespace for a thread of its own, as the administrator; close it."""
        return KubeHttp(self.url, self._folder / "ca.crt", self._token("admin"), namespace)

    def kubectl(self, *arguments: str, given: str = "") -> str:
        """Run kubectl as the administrator."""
        command = [str(self._programs["kubectl"]), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Apply manifests as a user would."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=yaml.safe_dump_all(manifests))

    def say_ready(self, namespace: str, pod: str) -> None:
        """Say that a pod's agent is ready, as a kubelet would."""
        status = json.dumps({"status": {"containerStatuses": [READY_AGENT]}})
        self.kubectl("patch", "pod", pod, "-n", namespace, "--subresource=status", "-p", status)

    def writes(self, user_agent: str) -> list[tuple[dt.datetime, str]]:
        """Return what a user agent has changed, Leases left out: when, and what."""
        return sorted(
            (ended, f"{event['verb']} {event['objectRef']['resource']} {event['objectRef'].get('name', '')}")
            for ended, event in self._done()
            if event.get("userAgent") == user_agent and event["objectRef"]["resource"] != "leases"
        )

    def lease_changes(self, verb: str) -> list[tuple[dt.datetime, str]]:
        """Return who has made, or deleted, a Lease: when, and by which user agent."""
        return sorted(
            (ended, str(event.get("userAgent")))
            for ended, event in self._done()
            if event["objectRef"]["resource"] == "leases" and event["verb"] == verb
        )

    def _done(self) -> Iterator[tuple[dt.datetime, dict[str, Any]]]:
        """Yield each change that was carried out, from the audit log, and when it ended."""
        for line in (self._folder / "audit.log").read_text().splitlines():
            event = json.loads(line)
            if event["responseStatus"]["code"] < HTTPStatus.MULTIPLE_CHOICES:
                yield dt.datetime.fromisoformat(event["stageTimestamp"]), event

    def apply_crds(self) -> None:
        """Apply our CRDs, and wait until they are served."""
        self.kubectl("apply", "--server-side", "-k", str(ROOT / "config" / "crds"))
        self.wait_ours_served()

    def wait_ours_served(self) -> None:
        """Wait until our three kinds are served: nothing says how long that takes."""
        self.wait_served(*(f"{name}.streamwarden.io" for name in ("topiccontracts", "policies", "agentdeployments")))

    def wait_served(self, *crds: str) -> None:
        """Wait until CRDs are served. ``kubectl wait``, and a filter in jsonpath, fail where no condition is yet."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        for crd in crds:
            while not self._is_served(crd):
                assert time.monotonic() < deadline, f"{crd} is not served"
                time.sleep(0.1)

    def _is_served(self, crd: str) -> bool:
        status = json.loads(self.kubectl("get", "crd", crd, "-o", "json")).get("status") or {}
        said = {each["type"]: each["status"] for each in status.get("conditions") or ()}
        return said.get("Established") == "True"

    def _token(self, user: str) -> str:
        return f"token-of-{user}"

    def _write_files(self) -> None:
        for name, text in build_pki(dt.datetime.now(dt.UTC)).items():
            if name.endswith(".conf"):
                config = yaml.safe_load(text)
                config["clusters"][0]["cluster"]["server"] = self.url
                text = yaml.safe_dump(config)  # noqa: PLW2901  # the same file, with another address
            (self._folder / name).write_text(text)
            (self._folder / name).chmod(0o600)
        (self._folder / "audit-policy.json").write_text(json.dumps(_AUDIT_POLICY))
        users = {"admin": "system:masters", "nobody": "", OPERATOR_USER: "system:serviceaccounts"}
        lines = [f'{self._token(user)},{user},{user},"{group}"' for user, group in users.items()]
        (self._folder / "tokens.csv").write_text("\n".join(lines) + "\n")

    async def _run(self, name: str, arguments: Sequence[str]) -> None:
        command: list[str | Path] = [self._programs[name], *arguments]
        log = self._folder / f"{name}.log"
        self._children.append(await Child.start(command, env=dict(os.environ), cwd=self._folder, log=log))

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                self.kubectl("get", "--raw", "/readyz")
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def _etcd(self) -> list[str]:
        return [
            f"--data-dir={self._folder}/etcd",
            "--unsafe-no-fsync",
            f"--listen-client-urls=http://127.0.0.1:{self._etcd_port}",
            f"--advertise-client-urls=http://127.0.0.1:{self._etcd_port}",
            f"--listen-peer-urls=http://127.0.0.1:{self._peer_port}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{self._peer_port}",
            f"--initial-cluster=default=http://127.0.0.1:{self._peer_port}",
        ]

    def _apiserver(self) -> list[str]:
        folder = self._folder
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            "--service-cluster-ip-range=10.96.0.0/16",
            f"--client-ca-file={folder}/ca.crt",
            f"--token-auth-file={folder}/tokens.csv",
            f"--tls-cert-file={folder}/apiserver.crt",
            f"--tls-private-key-file={folder}/apiserver.key",
            f"--service-account-key-file={folder}/sa.key",
            f"--service-account-signing-key-file={folder}/sa.key",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--authorization-mode=RBAC",
            f"--audit-policy-file={folder}/audit-policy.json",
            f"--audit-log-path={folder}/audit.log",
            # Some distributions have it: who sets blockOwnerDeletion must be allowed to.
            "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
        ]

    def _controller_manager(self) -> list[str]:
        folder = self._folder
        return [
            f"--kubeconfig={folder}/controller-manager.conf",
            f"--secure-port={self._controllers_port}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
            "--use-service-account-credentials",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            f"--service-account-private-key-file={folder}/sa.key",
            f"--root-ca-file={folder}/ca.crt",
        ]


def write_overlay(folder: Path, base: str, **fields: object) -> None:
    """Write the kustomization by which a folder names one of ``config``: kustomize takes relative paths alone."""
    up = "/".join([".."] * len(folder.resolve().parts[1:]))
    overlay = {"resources": [f"{up}{ROOT / 'config' / base}"], **fields}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))


def find_programs() -> dict[str, Path] | None:
    """Return the programs: of ``KUBEBUILDER_ASSETS``, or what ``streamwarden cluster build`` has built.

    Of another version than the newest there is the control plane: etcd and kubectl are the newest one's.
    """
    named, minor = os.environ.get("KUBEBUILDER_ASSETS"), os.environ.get(TESTED, DEFAULT)
    newest = Path(named) if named else tools_folder(cache_folder())
    wanted = {name: newest / name for name in (*_NEEDED, _CONTROLLERS)}
    if minor != DEFAULT:
        other = tools_folder(cache_folder(), minor)
        wanted |= {name: other / name for name in (_SERVER, _CONTROLLERS)}
    found = {name: path for name, path in wanted.items() if path.is_file()}
    is_whole = found.keys() >= set(_NEEDED) and (minor == DEFAULT or _CONTROLLERS in found)
    return found if is_whole else None


@contextmanager
def running_api_server(folder: Path) -> Iterator[ApiServer]:
    """Run an API server without our CRDs; skips the test where none is to be had."""
    programs = find_programs()
    if programs is None:
        without_cluster(
            "no kube-apiserver here: 'streamwarden cluster build' makes one, with --api-server that of "
            f"{TESTED}; or set KUBEBUILDER_ASSETS"
        )
    loop = LoopThread("api-server")
    server = ApiServer(folder, programs)
    try:
        loop.run(server.start(), _START_TIMEOUT_S)
        yield server
    finally:
        loop.run(server.stop(), _STOP_TIMEOUT_S)
        loop.close()
