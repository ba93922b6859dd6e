"""What every write asks first: whether this process may write at all. Called from any thread."""

from collections.abc import Callable

WriteGuard = Callable[[], None]
"""Raises ``LeadershipLostError`` where another process leads, or may lead by now."""


def always() -> None:
    """Allow it: there is one process alone, as in ``streamwarden dev``."""
