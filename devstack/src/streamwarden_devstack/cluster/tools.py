"""The programs of the embedded cluster, built from pinned Go modules and cached by content.

A binary is built into the folder named after everything it depends on, so that another version, another flag or
another ``go.sum`` never meets it. What was built before an interruption is kept.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from streamwarden_devstack.cluster.execute import one_at_a_time, run_logged
from streamwarden_devstack.cluster.golang import find_go

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streamwarden_devstack.cluster.reporting import Reporter

KUBERNETES = "v1.37.2"
CONTAINERD = "v2.4.2"

_MODULES = Path(__file__).with_name("gomod")
_PAUSE = Path(__file__).with_name("pause")
_STRIPPED = "-s -w"
_STATIC = {"CGO_ENABLED": "0"}
_STAMPED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


def _kubernetes_flags() -> str:
    """Stamp the version: without it ``/version`` is empty, and clients complain."""
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    stamp = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    # The commit has always been stamped like this, so that a build cache stays warm.
    stamp["gitCommit"] = "modproxy"
    return " ".join(
        (_STRIPPED, *(f"-X {package}.{name}={value}" for package in _STAMPED for name, value in stamp.items()))
    )


@dataclass(frozen=True, slots=True)
class Binary:
    """One program and how it is built."""

    name: str
    module: Path
    """The folder with ``go.mod`` and ``go.sum``."""
    package: str
    flags: str = _STRIPPED
    """For the linker."""
    tags: str = ""
    env: Mapping[str, str] = field(default_factory=dict)

    def command(self, go: Path, to: Path) -> list[str]:
        """Build it into a file."""
        tags = ["-tags", self.tags] if self.tags else []
        return [str(go), "build", "-trimpath", "-ldflags", self.flags, *tags, "-o", str(to), self.package]


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
            flags=f"{_STRIPPED} -X {root}/version.Version={CONTAINERD}",
            tags="no_btrfs no_zfs no_devmapper",
            env=_STATIC,
        )
    yield Binary("pause", _PAUSE, ".", env=_STATIC)


BINARIES = tuple(_binaries())


def content_key(binaries: Sequence[Binary]) -> str:
    """Hash what the binaries depend on: modules, their sums, sources and flags."""
    digest = hashlib.sha256()
    for binary in binaries:
        digest.update(
            "\0".join((binary.name, *binary.command(Path("go"), Path("out")), str(dict(binary.env)))).encode()
        )
    for module in sorted({binary.module for binary in binaries}):
        for file in sorted(module.iterdir()):
            digest.update(f"\0{module.name}/{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def tools_folder(cache: Path) -> Path:
    """Where the binaries of this version are kept, whether they are there or not."""
    return cache / "cluster" / f"bin-{content_key(BINARIES)}"


def ensure_tools(cache: Path, reporter: Reporter) -> Path:
    """Give the folder with all binaries, building what is missing.

    Raises:
        ClusterError: There is no Go, or a build failed.
    """
    folder = tools_folder(cache)
    if not _missing(folder):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(folder / ".lock"):
        missing = _missing(folder)
        go = find_go(cache, reporter) if missing else Path()
        for number, binary in enumerate(missing, 1):
            with reporter.step(f"building {binary.name} ({number} of {len(missing)})"):
                _build(binary, go, folder)
    return folder


def _missing(folder: Path) -> list[Binary]:
    return [binary for binary in BINARIES if not (folder / binary.name).is_file()]


def _build(binary: Binary, go: Path, folder: Path) -> None:
    new = folder / f".{binary.name}.new"
    # No toolchain of another version behind our back, and no workspace that the modules happen to lie in.
    fixed = {"GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    environment = {**os.environ, **fixed, **binary.env}
    run_logged(binary.command(go, new), folder / f"{binary.name}.log", env=environment, cwd=binary.module)
    new.replace(folder / binary.name)
