"""``streamwarden cluster`` as a person uses it, on the real thing; the tests build on one another, in their order."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import yaml
from streamwarden_devstack.cluster import Cluster, ClusterError, open_cluster
from streamwarden_devstack.cluster.choosing import choose, observe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.node

PATIENCE_S = 1800
"""The first start on a machine builds Kubernetes."""
SOON_S = 60
SLEEP = "import streamwarden, time; print('imported', flush=True); time.sleep(1000)"
ATTEMPT = "import streamwarden, os; print(os.getuid()); open('/opt/x', 'w')"


def streamwarden(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from streamwarden_cli.main import app; app()", "cluster", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.fixture(scope="module")
def was_up() -> bool:
    return choose(observe()).status().running


@pytest.fixture(scope="module")
def cluster(was_up: bool) -> Cluster:  # noqa: FBT001  # a fixture
    del was_up  # looked at before there is one
    done = streamwarden("up")
    assert done.returncode == 0, done.stderr
    return open_cluster()


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    """One that takes only pods as restricted as ours have to be."""
    name = f"test-{uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    eventually(lambda: "default" in cluster.kubectl("get", "serviceaccounts", "-n", name, "-o", "name"))
    yield name
    if cluster.provider.status().running:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"


def run_pod(cluster: Cluster, namespace: str, name: str, code: str, image: str = "agent") -> None:
    container = {
        "name": "main",
        "image": cluster.images[image],
        "command": ["python", "-c", code],
        "securityContext": {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    spec = {
        "containers": [container],
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "restartPolicy": "Always" if code == SLEEP else "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
    }
    metadata = {"name": name, "namespace": namespace}
    manifest = yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    cluster.kubectl("apply", "-f", "-", stdin=manifest)


def pod(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.kubectl("get", "pod", name, "-n", namespace, "-o", "json"))
    return found


def restarts_when_running(cluster: Cluster, namespace: str, name: str) -> int:
    """How often the container was started again; -1 while it does not run."""
    statuses = pod(cluster, namespace, name)["status"].get("containerStatuses", [])
    return next((status["restartCount"] for status in statuses if "running" in status["state"]), -1)


def test_up_says_how_to_use_the_cluster_and_is_idempotent(cluster: Cluster) -> None:
    again = streamwarden("up")

    assert again.returncode == 0, again.stderr
    assert f"export KUBECONFIG={cluster.kubeconfig}" in again.stdout
    assert cluster.host_address in again.stdout
    assert all(reference in again.stdout for reference in cluster.images.values())
    assert "starting" not in again.stderr
    assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert cluster.kubectl("config", "current-context").strip() == "streamwarden"


def test_status_says_that_the_node_is_ready(cluster: Cluster) -> None:
    done = streamwarden("status", "--output", "json")

    assert (done.returncode, json.loads(done.stdout)["ready"]) == (0, True)
    assert cluster.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=10s")


def test_an_unchanged_tree_builds_and_loads_nothing(cluster: Cluster) -> None:
    done = streamwarden("images", "--output", "json")

    found = {image["name"]: image for image in json.loads(done.stdout)}
    assert {name: image["reference"] for name, image in found.items()} == dict(cluster.images)
    assert all(image["size"] > 0 for image in found.values())
    assert done.stderr == ""


@pytest.mark.parametrize("image", ["agent", "gate", "phishing-example", "operator"])
def test_an_image_runs_restricted_on_a_root_that_it_cannot_write(cluster: Cluster, namespace: str, image: str) -> None:
    package = {"operator": "streamwarden_operator.main", "gate": "streamwarden_gate"}.get(image, "streamwarden")

    run_pod(cluster, namespace, image, ATTEMPT.replace("streamwarden", package), image)

    eventually(lambda: pod(cluster, namespace, image)["status"]["phase"] in {"Failed", "Succeeded"})
    # Two streams, merged as they come.
    lines = cluster.kubectl("logs", image, "-n", namespace).splitlines()
    assert "10001" in lines
    assert "OSError: [Errno 30] Read-only file system: '/opt/x'" in lines


def test_the_agents_of_the_example_are_found_in_their_image(cluster: Cluster, namespace: str) -> None:
    run_pod(cluster, namespace, "entrypoint", "import page_guard; print(page_guard.agent)", "phishing-example")

    eventually(lambda: pod(cluster, namespace, "entrypoint")["status"]["phase"] in {"Failed", "Succeeded"})
    assert pod(cluster, namespace, "entrypoint")["status"]["phase"] == "Succeeded"


def test_a_pod_that_asks_for_more_than_it_may_is_refused(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        cluster.kubectl("run", "root", "-n", namespace, f"--image={cluster.images['agent']}")


def test_a_killed_container_is_started_again(cluster: Cluster, namespace: str) -> None:
    run_pod(cluster, namespace, "killed", SLEEP)
    for killed in (1, 2):
        eventually(lambda: restarts_when_running(cluster, namespace, "killed") >= 0)
        cluster.kill_container(namespace, "killed", "main")
        eventually(lambda killed=killed: restarts_when_running(cluster, namespace, "killed") == killed)  # type: ignore[misc]  # bound at once

    state = pod(cluster, namespace, "killed")["status"]["containerStatuses"][0]["lastState"]
    assert state["terminated"]["exitCode"] == 137


def test_a_container_that_does_not_run_cannot_be_killed(cluster: Cluster, namespace: str) -> None:
    run_pod(cluster, namespace, "there", SLEEP)
    eventually(lambda: restarts_when_running(cluster, namespace, "there") >= 0)

    with pytest.raises(ClusterError, match=f"no container other of pod {namespace}/there runs"):
        cluster.kill_container(namespace, "there", "other")


def test_a_restarted_node_has_lost_nothing(cluster: Cluster, namespace: str) -> None:
    run_pod(cluster, namespace, "survivor", SLEEP)
    eventually(lambda: restarts_when_running(cluster, namespace, "survivor") >= 0)
    cluster.kubectl("create", "configmap", "kept", "-n", namespace, "--from-literal=a=b")
    before = pod(cluster, namespace, "survivor")["metadata"]["uid"]

    cluster.restart_node()

    eventually(lambda: restarts_when_running(cluster, namespace, "survivor") == 1)
    assert pod(cluster, namespace, "survivor")["metadata"]["uid"] == before
    assert cluster.kubectl("get", "configmap", "kept", "-n", namespace, "-o", "jsonpath={.data.a}") == "b"
    eventually(lambda: "imported" in cluster.kubectl("logs", "survivor", "-n", namespace))
    assert set(cluster.images.values()) <= cluster.provider.loaded_images()


def test_down_leaves_no_process_link_mount_cgroup_or_file(
    cluster: Cluster,
    was_up: bool,  # noqa: FBT001  # a fixture
) -> None:
    if was_up or cluster.provider.name != "embedded":
        pytest.skip("a cluster that was there before is not ours to take away")
    namespace = cluster.provider.run_on_node("readlink", "/proc/1/ns/pid").strip()
    assert processes_of(namespace)

    assert streamwarden("down").stdout == "the cluster is gone\n"

    assert processes_of(namespace) == []
    assert [link for link in os.listdir("/sys/class/net") if link.startswith("swk")] == []  # noqa: PTH208  # names
    assert "streamwarden" not in Path("/proc/self/mounts").read_text("utf-8")
    assert list(Path("/sys/fs/cgroup").glob("**/streamwarden")) == []
    assert not Path("/var/lib/streamwarden/cluster").exists()
    assert streamwarden("down").stdout == "no cluster of ours runs here\n"
    assert streamwarden("status").returncode == 1


def processes_of(namespace: str) -> list[str]:
    """What runs in a pid namespace or below it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if str((process / "ns" / "pid").readlink()) == namespace:
                found.append((process / "comm").read_text("utf-8"))
    return found
