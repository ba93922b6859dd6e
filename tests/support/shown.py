"""A screen that keeps what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from streamwarden_cli.session.screen import AgentRow


@dataclass
class Shown:
    """Implements ``Screen``."""

    said: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Those of what was said that are problems."""
    ended_with: list[RenderableType] = field(default_factory=list)

    def say(self, text: str, *, problem: bool = False) -> None:
        self.said.append(text)
        if problem:
            self.problems.append(text)

    def show(self, rows: Sequence[AgentRow]) -> None:
        """Drop it."""

    def end_with(self, body: RenderableType) -> None:
        self.ended_with.append(body)

    def close(self) -> None:
        """Nothing to leave."""
