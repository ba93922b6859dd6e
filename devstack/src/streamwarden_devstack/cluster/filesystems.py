"""What is mounted where."""

from __future__ import annotations

from pathlib import Path

_LAYERED = frozenset({"overlay", "aufs"})


def is_layered(folder: Path, mounts: str | None = None) -> bool:
    """Whether the folder is in a container's own layers, which cannot be the upper half of others.

    ``mounts`` is the content of ``/proc/self/mounts``.
    """
    kinds: dict[Path, str] = {}
    for line in (mounts or Path("/proc/self/mounts").read_text("utf-8")).splitlines():
        _, point, kind, *_ = line.split()
        kinds[Path(point)] = kind
    # In a container its own root is such a file system.
    nearest = next((kinds[path] for path in (folder, *folder.parents) if path in kinds), "")
    return nearest in _LAYERED


def mounts_below(folder: Path, mounts: str | None = None) -> list[str]:
    """Give the mount points inside of a folder."""
    lines = (mounts or Path("/proc/self/mounts").read_text("utf-8")).splitlines()
    points = (Path(line.split()[1]) for line in lines)
    return sorted(str(point) for point in points if folder in point.parents)
