"""What a person sees while the stack comes up: a progress bar on a terminal, else plain lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

_MB = 1_000_000
_STEP = 0.1
"""Without a terminal, a line for each tenth."""


class Reporter(Protocol):
    """Told what the stack does; called from one thread."""

    def download(self, what: str, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` bytes are here; called with equal numbers once, at the end."""

    def note(self, message: str) -> None:
        """Say something a person should know, such as a restarted broker."""


class QuietReporter:
    """Says nothing."""

    def download(self, what: str, done: int, total: int) -> None:
        """Drop it."""

    def note(self, message: str) -> None:
        """Drop it."""


class ConsoleReporter:
    """Writes to a rich console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._next_line: dict[str, float] = {}

    def download(self, what: str, done: int, total: int) -> None:
        """Move the bar, or write a line for each tenth."""
        if self._console.is_terminal:
            self._move(what, done, total)
        elif done >= total * self._next_line.setdefault(what, 0.0):
            self._next_line[what] = done / total // _STEP * _STEP + _STEP
            self._console.print(f"downloading {what}: {done / _MB:.0f} of {total / _MB:.0f} MB", highlight=False)

    def note(self, message: str) -> None:
        """Write it as a line of its own."""
        self._console.print(message, highlight=False, markup=False)

    def _move(self, what: str, done: int, total: int) -> None:
        if self._progress is None:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._progress.start()
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(f"downloading {what}", total=total)
        self._progress.update(self._tasks[what], completed=done)
        if self._progress.finished:
            self._progress.stop()
            self._progress, self._tasks = None, {}
