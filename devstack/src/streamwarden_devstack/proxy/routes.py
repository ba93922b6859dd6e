"""Where a proxy listens, and what is behind it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Route:
    """One broker's: two ports of loopback."""

    listen: int
    """What clients are told to connect to."""
    upstream: int
    """Where the broker listens."""
