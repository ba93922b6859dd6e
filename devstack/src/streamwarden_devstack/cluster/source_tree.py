"""The repository that images are built from, and which of its files an image depends on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from streamwarden_devstack.cluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_KNOWN_BY = Path("agent_image", "gate", "Dockerfile")
_LEFT_OUT = frozenset({"__pycache__"})


def find_source_tree(start: Path | None = None) -> Path:
    """Find the repository: above the working directory, else above this package.

    Raises:
        ClusterError: There is none, as where only the wheel is installed.
    """
    for place in (start or Path.cwd(), Path(__file__)):
        for folder in (place, *place.parents):
            if (folder / _KNOWN_BY).is_file():
                return folder
    raise ClusterError("images are built from Streamwarden's repository: run this inside of it")


def content_hash(root: Path, patterns: Iterable[str], *more: str) -> str:
    """Hash the files that match (below a folder that matches: all of them), and anything else that counts."""
    digest = hashlib.sha256("\0".join(more).encode())
    for path in sorted({path for pattern in patterns for path in _files(root, pattern)}):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def _files(root: Path, pattern: str) -> Iterator[Path]:
    for found in root.glob(pattern):
        for path in found.rglob("*") if found.is_dir() else (found,):
            parts = path.relative_to(root).parts
            if path.is_file() and not _LEFT_OUT.intersection(parts) and path.suffix != ".pyc":
                yield path
