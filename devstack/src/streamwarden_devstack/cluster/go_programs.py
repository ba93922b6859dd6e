"""Programs built from pinned Go modules and cached by content.

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
    from collections.abc import Mapping, Sequence

    from streamwarden_devstack.cluster.reporting import Reporter

STRIPPED = "-s -w"
"""Of the linker: without symbols and debugging information."""


@dataclass(frozen=True, slots=True)
class Binary:
    """One program and how it is built."""

    name: str
    module: Path
    """The folder with ``go.mod`` and ``go.sum``."""
    package: str
    flags: str = STRIPPED
    """For the linker."""
    tags: str = ""
    env: Mapping[str, str] = field(default_factory=dict)

    def command(self, go: Path, to: Path) -> list[str]:
        """Build it into a file."""
        tags = ["-tags", self.tags] if self.tags else []
        return [str(go), "build", "-trimpath", "-ldflags", self.flags, *tags, "-o", str(to), self.package]


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


def ensure_built(binaries: Sequence[Binary], folder: Path, cache: Path, reporter: Reporter) -> None:
    """Build the binaries that the folder lacks; the cache is where Go is installed to when there is none.

    Raises:
        ClusterError: There is no Go, or a build failed.
    """
    if not _missing(binaries, folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(folder / ".lock"):
        missing = _missing(binaries, folder)
        go = find_go(cache, reporter) if missing else Path()
        for number, binary in enumerate(missing, 1):
            with reporter.step(f"building {binary.name} ({number} of {len(missing)})"):
                _build(binary, go, folder)


def _missing(binaries: Sequence[Binary], folder: Path) -> list[Binary]:
    return [binary for binary in binaries if not (folder / binary.name).is_file()]


def _build(binary: Binary, go: Path, folder: Path) -> None:
    new = folder / f".{binary.name}.new"
    # No toolchain of another version behind our back, and no workspace that the modules happen to lie in.
    fixed = {"GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    environment = {**os.environ, **fixed, **binary.env}
    run_logged(binary.command(go, new), folder / f"{binary.name}.log", env=environment, cwd=binary.module)
    new.replace(folder / binary.name)
