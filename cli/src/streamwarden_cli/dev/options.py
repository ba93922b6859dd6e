"""What ``streamwarden dev`` was asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamwarden_cli.local.pods import PodSettings
from streamwarden_cli.session.options import SessionOptions

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DevOptions(SessionOptions):
    """The options of one run of ``dev``."""

    folder: Path
    registry: bool = True
    pods: PodSettings = field(default_factory=PodSettings)
