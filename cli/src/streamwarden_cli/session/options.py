"""What ``streamwarden dev`` and ``streamwarden watch`` can both be asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamwarden_contract.names import SYSTEM

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """What to do beside a running loop, and at its end."""

    producers: tuple[str, ...] = ()
    """Command lines, started once every agent is ready."""
    at_end: str = ""
    """Command line, run once the loop has come to rest."""
    until_idle: bool = False
    attempt_bypass: bool = False
    installation: str = SYSTEM
    """What the names of the operator and of its guardrails begin with."""
    report: Path | None = None
    keep: bool = False
    """Stay up after ``until_idle`` until Ctrl-C."""
    timeout_s: float | None = None
    """Of the whole run until it is idle, downloads left out."""


class SessionError(Exception):
    """The run has failed; the message says why."""
