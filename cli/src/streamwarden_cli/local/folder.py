"""The folder of manifests: read, admitted as a whole, and read again when a file changes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import Change, awatch

from streamwarden_cli.local.admission import Admission, admit_all
from streamwarden_cli.local.manifests import SUFFIXES, read_manifests

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Iterable, Mapping

    from streamwarden_contract.models.base import Kind

_CODE = ".py"
_DEBOUNCE_MS = 100
_STEP_MS = 10
"""Editors write a file in several steps: wait until nothing has happened for so long."""


def admit_folder(folder: Path, current: Iterable[Kind] = ()) -> Admission:
    """Read all manifests of a folder and judge them as changes of what is there now.

    A problem names its file as a person in the working directory does.
    """
    here = Path.cwd()
    shown = folder.relative_to(here) if folder.is_relative_to(here) else folder
    return admit_all(read_manifests(shown), _by_key(current))


def _by_key(resources: Iterable[Kind]) -> Mapping[tuple[str, str, str], Kind]:
    found: dict[tuple[str, str, str], Kind] = {}
    for resource in resources:
        metadata = resource.metadata
        found[type(resource).__name__, metadata.namespace, metadata.name] = resource
    return found


@dataclass(frozen=True, slots=True)
class FolderChange:
    """What a person has saved."""

    seen: float
    """On the monotonic clock."""
    manifests: bool
    """Whether a file that may hold manifests is among it."""
    code: frozenset[Path]
    """Python's files."""


async def changes(folder: Path, stop: asyncio.Event) -> AsyncIterator[FolderChange]:
    """Yield what has changed below a folder, hidden files left out, until ``stop`` is set."""

    def is_ours(_change: Change, path: str) -> bool:
        relative = path.removeprefix(f"{folder}/")
        return path.endswith((*SUFFIXES, _CODE)) and not any(part.startswith(".") for part in relative.split("/"))

    async for found in awatch(
        folder, watch_filter=is_ours, debounce=_DEBOUNCE_MS, step=_STEP_MS, stop_event=stop, recursive=True
    ):
        paths = [Path(path) for _, path in found]
        yield FolderChange(
            seen=time.monotonic(),
            manifests=any(path.suffix in SUFFIXES for path in paths),
            code=frozenset(path for path in paths if path.suffix == _CODE),
        )


async def file_changes(folder: Path, stop: asyncio.Event) -> AsyncIterator[None]:
    """Yield whenever a file of a program's own folder has changed, until ``stop`` is set."""
    async for _ in awatch(folder, watch_filter=None, debounce=_DEBOUNCE_MS, step=_STEP_MS, stop_event=stop):
        yield
