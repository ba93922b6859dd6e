"""The two programs that build images: Docker, and buildah where there is no Docker."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from streamwarden_kafka.private_files import private_folder

from streamwarden_devstack.cluster.base_image import base_key, make_base
from streamwarden_devstack.cluster.errors import CommandFailedError
from streamwarden_devstack.cluster.execute import run, run_logged
from streamwarden_devstack.cluster.filesystems import is_layered
from streamwarden_devstack.cluster.packages import IMAGES, require

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from streamwarden_devstack.cluster.reporting import Reporter

_UNITS = {"B": 1, "kB": 1_000, "KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Order:
    """One image to build."""

    reference: str
    dockerfile: Path
    context: Path
    target: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Path] = field(default_factory=dict)

    def options(self) -> list[str]:
        """As Docker and buildah both understand them."""
        options = ["-t", self.reference, "-f", str(self.dockerfile)]
        options += ["--target", self.target] if self.target else []
        for name, value in self.arguments.items():
            options += ["--build-arg", f"{name}={value}"]
        for name, path in self.secrets.items():
            options += ["--secret", f"id={name},src={path}"]
        return [*options, str(self.context)]


def build_lock(cache: Path) -> Path:
    """Give the lock that is held while images are built."""
    return cache / "cluster" / "images" / ".lock"


class Engine(Protocol):
    """Builds images and keeps them."""

    def ensure_base(self, reporter: Reporter) -> str:
        """Give the base image to build upon; empty for the one that the Dockerfiles name."""

    def size(self, reference: str) -> int | None:
        """The image's size in bytes; ``None`` when there is no such image."""

    def build(self, order: Order, log: Path) -> None:
        """Build an image.

        Raises:
            CommandFailedError: It cannot be built; the message shows the log's last lines.
        """

    def save(self, reference: str, archive: Path) -> None:
        """Write an image as an archive that a node can import."""

    def tags(self, repository: str) -> list[str]:
        """The references of a repository's images, the newest first."""

    def remove(self, reference: str) -> None:
        """Forget an image."""


class Docker:
    """The engine behind ``docker``."""

    def ensure_base(self, reporter: Reporter) -> str:  # noqa: ARG002  # the protocol's
        """Docker pulls what the Dockerfiles name."""
        return ""

    def size(self, reference: str) -> int | None:
        """As ``docker image inspect`` says."""
        try:
            return int(run(["docker", "image", "inspect", "--format", "{{.Size}}", reference]))
        except CommandFailedError:
            return None

    def build(self, order: Order, log: Path) -> None:
        """With BuildKit, which knows secrets."""
        run_logged(["docker", "build", *order.options()], log, env={**os.environ, "DOCKER_BUILDKIT": "1"})

    def save(self, reference: str, archive: Path) -> None:
        """Write it in Docker's own format."""
        run(["docker", "save", "-o", archive, reference])

    def tags(self, repository: str) -> list[str]:
        """In Docker's own order."""
        return run(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", repository]).split()

    def remove(self, reference: str) -> None:
        """And the layers that no other image has."""
        run(["docker", "rmi", reference])


class Buildah:
    """``buildah``, with a store of its own in the cache folder; needs root, but no service."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "cluster" / "buildah"

    def ensure_base(self, reporter: Reporter) -> str:
        """Make it once, without any registry."""
        require(IMAGES)
        reference = f"localhost/streamwarden/base:{base_key()}"
        if self.size(reference) is None:
            context = make_base(self._folder.with_name(f"base-{base_key()}"), reporter)
            self.build(Order(reference, context / "Dockerfile", context), context / "build.log")
        return reference

    def size(self, reference: str) -> int | None:
        """As ``buildah images`` says, rounded to what it prints."""
        try:
            (found, *_) = json.loads(run([*self._command(), "images", "--json", reference]))
        except CommandFailedError:
            return None
        return parse_size(found["size"])

    def build(self, order: Order, log: Path) -> None:
        """In the host's network, and with each layer kept for the next build."""
        self.remove_containers()
        how = ["--layers", "--isolation", "chroot", "--network", "host"]
        run_logged([*self._command(), "build", *how, *order.options()], log)

    def save(self, reference: str, archive: Path) -> None:
        """Write it in Docker's format, which is not compressed: writing and reading it take half the time."""
        run([*self._command(), "push", "--quiet", reference, f"docker-archive:{archive}:{reference}"])

    def tags(self, repository: str) -> list[str]:
        """By the time at which they were made."""
        found = json.loads(run([*self._command(), "images", "--json"]))
        newest_first = sorted(found, key=lambda image: image["createdatraw"], reverse=True)
        names = [name for image in newest_first for name in image["names"] or []]
        return [name for name in names if name.rpartition(":")[0] == repository]

    def remove(self, reference: str) -> None:
        """And the layers that no other image has."""
        run([*self._command(), "rmi", reference])

    def remove_containers(self) -> None:
        """Remove the working containers, and with them the mounts, that builds left which were killed.

        Whoever calls it holds ``build_lock``: a build that goes on loses its own.
        """
        if (self._folder / "store").is_dir():
            run([*self._command(), "rm", "--all"])

    def _command(self) -> list[str]:
        # Without this it leaves a lock file in /etc/cni, though no network of its own is ever used.
        settings = private_folder(self._folder) / "containers.conf"
        settings.write_text(f'[network]\nnetwork_config_dir = "{self._folder / "networks"}"\n', "utf-8")
        driver = "vfs" if is_layered(self._folder) else "overlay"
        places = ["--root", str(self._folder / "store"), "--runroot", str(self._folder / "run")]
        return ["env", f"CONTAINERS_CONF={settings}", "buildah", *places, "--storage-driver", driver]


def parse_size(text: str) -> int:
    """Give the bytes of a size such as ``229 MB``."""
    match = re.fullmatch(r"([\d.]+) ?(\w+)", text.strip())
    if match is None or match[2] not in _UNITS:
        raise ValueError(text)
    return int(float(match[1]) * _UNITS[match[2]])
