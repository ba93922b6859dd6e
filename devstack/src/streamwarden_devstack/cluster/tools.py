"""The programs of the embedded cluster, built from pinned Go modules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streamwarden_devstack.cluster.go_programs import STRIPPED, Binary, content_key, ensure_built

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamwarden_devstack.cluster.reporting import Reporter

KUBERNETES = "v1.37.2"
CONTAINERD = "v2.4.2"

_MODULES = Path(__file__).with_name("gomod")
_PAUSE = Path(__file__).with_name("pause")
_STATIC = {"CGO_ENABLED": "0"}
_STAMPED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


def _kubernetes_flags() -> str:
    """Stamp the version: without it ``/version`` is empty, and clients complain."""
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    stamp = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    # The commit has always been stamped like this, so that a build cache stays warm.
    stamp["gitCommit"] = "modproxy"
    return " ".join(
        (STRIPPED, *(f"-X {package}.{name}={value}" for package in _STAMPED for name, value in stamp.items()))
    )


def _binaries() -> Iterator[Binary]:
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"):
        yield Binary(name, _MODULES / "kubernetes", f"k8s.io/kubernetes/cmd/{name}", _kubernetes_flags())
    yield Binary("etcd", _MODULES / "etcd", "go.etcd.io/etcd/server/v3", env=_STATIC)
    root = "github.com/containerd/containerd/v2"
    for name in ("containerd", "containerd-shim-runc-v2", "ctr"):
        yield Binary(
            name,
            _MODULES / "containerd",
            f"{root}/cmd/{name}",
            flags=f"{STRIPPED} -X {root}/version.Version={CONTAINERD}",
            tags="no_btrfs no_zfs no_devmapper",
            env=_STATIC,
        )
    yield Binary("pause", _PAUSE, ".", env=_STATIC)


BINARIES = tuple(_binaries())


def tools_folder(cache: Path) -> Path:
    """Where the binaries of this version are kept, whether they are there or not."""
    return cache / "cluster" / f"bin-{content_key(BINARIES)}"


def ensure_tools(cache: Path, reporter: Reporter) -> Path:
    """Give the folder with all binaries, building what is missing.

    Raises:
        ClusterError: There is no Go, or a build failed.
    """
    folder = tools_folder(cache)
    ensure_built(BINARIES, folder, cache, reporter)
    return folder
