"""The lock file: which files the stack is made of. Coordinates, size and SHA-256; no address.

Renewed with ``python -m streamwarden_devstack.stack.relock`` (needs ``mvn``): see there.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from streamwarden_devstack.stack.versions import KAFKAS, kafka_set

SETS = (*map(kafka_set, KAFKAS), "registry")
"""The programs, Kafka in each of its versions; each line of the lock names the one it belongs to."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a Maven repository."""

    group: str
    name: str
    version: str
    classifier: str
    """Empty for most."""
    extension: str
    sha256: str
    size: int
    """In bytes."""

    @property
    def file_name(self) -> str:
        """As every Maven repository names it."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.extension}"

    @property
    def path(self) -> str:
        """Where a Maven repository keeps it, relative to the repository's root."""
        return f"{self.group.replace('.', '/')}/{self.name}/{self.version}/{self.file_name}"

    @property
    def coordinates(self) -> str:
        """``group:name:version[:classifier]@extension``."""
        classifier = f":{self.classifier}" if self.classifier else ""
        return f"{self.group}:{self.name}:{self.version}{classifier}@{self.extension}"


def read_lock() -> dict[str, tuple[Artifact, ...]]:
    """Read the lock that this package carries."""
    return parse_lock(files(__package__).joinpath("jars.lock").read_text("utf-8"))


def parse_lock(text: str) -> dict[str, tuple[Artifact, ...]]:
    """Parse lines of ``set coordinates size sha256``; blank lines and ``#`` comments are skipped.

    Raises:
        ValueError: A line is malformed. The lock is part of the package, so this is a mistake in it.
    """
    found: dict[str, list[Artifact]] = {name: [] for name in SETS}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            of_set, coordinates, size, sha256 = line.split()
            found[of_set].append(_artifact(coordinates, int(size), sha256))
    return {name: tuple(artifacts) for name, artifacts in found.items()}


def render_lock(artifacts: dict[str, tuple[Artifact, ...]]) -> str:
    """The inverse of :func:`parse_lock`, sorted, with a heading."""
    lines = ["# Made by python -m streamwarden_devstack.stack.relock: set, coordinates, bytes, SHA-256."]
    lines += sorted(
        f"{of_set} {artifact.coordinates} {artifact.size} {artifact.sha256}"
        for of_set, members in artifacts.items()
        for artifact in members
    )
    return "\n".join(lines) + "\n"


def _artifact(coordinates: str, size: int, sha256: str) -> Artifact:
    gav, _, extension = coordinates.partition("@")
    group, name, version, *classifier = gav.split(":")
    return Artifact(group, name, version, classifier[0] if classifier else "", extension, sha256, size)
