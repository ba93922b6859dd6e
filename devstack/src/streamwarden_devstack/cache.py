"""The folder of this user for what is downloaded, built or trained once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CACHE_VARIABLE = "STREAMWARDEN_CACHE"


def cache_folder(environment: Mapping[str, str] = os.environ, home: Path | None = None) -> Path:
    """Name the folder: ``STREAMWARDEN_CACHE``, else the platform's custom."""
    if named := environment.get(CACHE_VARIABLE):
        return Path(named)
    home = home or Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "streamwarden"
    return Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "streamwarden"


def why_unusable(error: OSError, folder: Path) -> str | None:
    """Say what to do where a file of the cache cannot be written; None where the error is of another file."""
    paths = [Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
    if not any(path.absolute().is_relative_to(folder.absolute()) for path in paths):
        return None
    return f"the cache folder {folder} cannot be used ({error.strerror}): name another one with {CACHE_VARIABLE}"
