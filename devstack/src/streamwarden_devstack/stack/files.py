"""Logs of child processes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def last_lines(path: Path, count: int = 20, at_most: int = 16_384) -> str:
    """The end of a log: at most ``count`` lines and ``at_most`` bytes; a word in place of an empty one."""
    if not path.is_file():
        return "(no log)"
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - at_most))
        text = file.read().decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-count:]) or "(the log is empty)"
