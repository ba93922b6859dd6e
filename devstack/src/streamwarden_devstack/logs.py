"""Logs of child processes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def last_lines(log: Path, count: int, *, at_most: int = 16_384) -> list[str]:
    """Return the last lines that are not empty, from the last ``at_most`` bytes; none where there is no log."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - at_most))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if line.strip()][-count:]


def end_of(log: Path, count: int = 20) -> str:
    """Return the end of a log to show in an error; a word in place of one that is missing or empty."""
    if not log.is_file():
        return "(no log)"
    return "\n".join(last_lines(log, count)) or "(the log is empty)"
