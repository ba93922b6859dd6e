"""Durations as users write them: ``500ms``, ``1h30m``."""

import re
from datetime import timedelta

from streamwarden_contract.models.fields import DURATION_PATTERN

_WHOLE = re.compile(DURATION_PATTERN.strip("^$"))
_PART = re.compile(r"([0-9]+)(ms|h|m|s)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


def parse_duration(text: str) -> timedelta:
    """Read a duration.

    Raises:
        ValueError: not of the form ``1h30m``, or not positive.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is no duration: write it as in 1h30m, 10s or 500ms")
    total_ms = sum(int(count) * _UNIT_MS[unit] for count, unit in _PART.findall(text))
    if total_ms == 0:
        raise ValueError(f"{text!r}: a duration must be positive")
    return timedelta(milliseconds=total_ms)
