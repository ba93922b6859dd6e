"""The programs of the embedded cluster, and API servers of other versions, built from pinned Go modules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streamwarden_devstack.cluster.errors import ClusterError
from streamwarden_devstack.cluster.go_programs import STRIPPED, Binary, content_key, ensure_built

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamwarden_devstack.cluster.reporting import Reporter

KUBERNETES = {"1.35": "v1.35.4", "1.37": "v1.37.2"}
"""A minor version and the release it stands for: the newest one that the Go module proxy has."""
DEFAULT = "1.37"
"""Of the embedded cluster. Of the others there is an API server, with the controllers beside it, for tests."""
CONTAINERD = "v2.4.2"

_MODULES = Path(__file__).with_name("gomod")
_PAUSE = Path(__file__).with_name("pause")
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager")
_STATIC = {"CGO_ENABLED": "0"}
_STAMPED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


def _kubernetes_flags(release: str) -> str:
    """Stamp the version: without it ``/version`` is empty, and clients complain."""
    major, minor, _ = release.removeprefix("v").split(".")
    stamp = {"gitVersion": release, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    # The commit has always been stamped like this, so that a build cache stays warm.
    stamp["gitCommit"] = "modproxy"
    return " ".join(
        (STRIPPED, *(f"-X {package}.{name}={value}" for package in _STAMPED for name, value in stamp.items()))
    )


def _kubernetes(minor: str, *names: str) -> Iterator[Binary]:
    module = _MODULES / ("kubernetes" if minor == DEFAULT else f"kubernetes-{minor}")
    for name in names:
        yield Binary(name, module, f"k8s.io/kubernetes/cmd/{name}", _kubernetes_flags(KUBERNETES[minor]))


def _binaries() -> Iterator[Binary]:
    yield from _kubernetes(DEFAULT, *_CONTROL_PLANE, "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
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


def binaries_of(minor: str) -> tuple[Binary, ...]:
    """Return what is built of a minor version, as in ``1.35``.

    Raises:
        ClusterError: There is none. The message names those there are.
    """
    if minor not in KUBERNETES:
        raise ClusterError(f"no Kubernetes {minor} here; there are {', '.join(KUBERNETES)}")
    return BINARIES if minor == DEFAULT else tuple(_kubernetes(minor, *_CONTROL_PLANE))


def tools_folder(cache: Path, minor: str = DEFAULT) -> Path:
    """Where the binaries of a version are kept, whether they are there or not.

    Raises:
        ClusterError: There is no such version.
    """
    return cache / "cluster" / f"bin-{content_key(binaries_of(minor))}"


def ensure_tools(cache: Path, reporter: Reporter, minor: str = DEFAULT) -> Path:
    """Give the folder with the binaries of a version, building what is missing.

    Raises:
        ClusterError: There is no such version, no Go, or a build failed.
    """
    folder = tools_folder(cache, minor)
    ensure_built(binaries_of(minor), folder, cache, reporter)
    return folder
