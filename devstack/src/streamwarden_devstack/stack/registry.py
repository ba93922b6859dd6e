"""The schema registry: Apicurio, with Confluent's API, its schemas in memory."""

from __future__ import annotations

import asyncio
import os
import shutil
import tarfile
from typing import TYPE_CHECKING

from streamwarden_devstack.ports import host_port
from streamwarden_devstack.stack.java import JAVA

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streamwarden_devstack.stack.locked import Artifact

OPTIONS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    # Full optimisation never pays in a process that registers a few schemas: it starts a third sooner without.
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    # Its health and metrics, on a second port that nobody asks: by default it listens on every address.
    "-Dquarkus.management.host=127.0.0.1",
    "-Dquarkus.management.port=0",
    "-Dquarkus.log.level=WARN",
    # A contract with deletionPolicy: Delete takes its subject with it.
    "-Dapicurio.rest.deletion.artifact.enabled=true",
    "-Dapicurio.rest.deletion.artifact-version.enabled=true",
    "-Dapicurio.rest.deletion.group.enabled=true",
)


def registry_command(program: Path, port: int, address: str, startup: Sequence[str] = ()) -> list[str]:
    """Run the registry unpacked at ``program``, with the options of its start-up cache."""
    where = (f"-Dquarkus.http.host={address}", f"-Dquarkus.http.port={port}")
    return [str(JAVA), *OPTIONS, *startup, *where, "-jar", str(program / "quarkus-run.jar")]


def registry_url(port: int, address: str) -> str:
    """Confluent's API of a registry on that port."""
    return f"http://{host_port(address, port)}/apis/ccompat/v7"


def unpacked_at(artifact: Artifact, cache: Path) -> Path:
    """The folder a locked archive is unpacked to."""
    return cache / "unpacked" / f"{artifact.name}-{artifact.version}-{artifact.sha256[:8]}"


async def unpack(archive: Path, to: Path) -> None:
    """Unpack a checked archive once, atomically; the archive is then removed, as nothing needs it again."""
    await asyncio.to_thread(_unpack, archive, to)


def _unpack(archive: Path, to: Path) -> None:
    if to.is_dir():
        return  # another process has unpacked it since we looked, and removed the archive
    half = to.with_name(f".{to.name}.{os.getpid()}")
    shutil.rmtree(half, ignore_errors=True)
    try:
        with tarfile.open(archive) as tar:
            # The filter came with 3.11.4; the content is known by its SHA-256 either way.
            tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            tar.extractall(half)  # noqa: S202  # see above
        half.rename(to)
    except OSError:
        # Another process was first, or the disk is full: what is half there must not keep it full.
        shutil.rmtree(half, ignore_errors=True)
        if not to.is_dir():
            raise
    archive.unlink(missing_ok=True)
