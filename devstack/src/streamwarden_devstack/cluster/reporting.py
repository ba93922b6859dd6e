"""What a person sees while a cluster comes up: a spinner on a terminal, and a line with seconds a step."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from rich.console import Console


class Reporter(Protocol):
    """Told what is done; called from one thread."""

    def step(self, what: str) -> AbstractContextManager[None]:
        """Say that something is being done as long as the block runs."""

    def note(self, message: str) -> None:
        """Say something a person should know."""


class QuietReporter:
    """Says nothing."""

    def step(self, what: str) -> AbstractContextManager[None]:  # noqa: ARG002  # the protocol's
        """Drop it."""
        return contextlib.nullcontext()

    def note(self, message: str) -> None:
        """Drop it."""


class ConsoleReporter:
    """Writes to a rich console."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Spin while it is done; a line when it begins (without a terminal) and one with its seconds at the end."""
        started = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(what):
                yield
        else:
            self.note(f"{what} ...")
            yield
        self.note(f"{what}: {time.monotonic() - started:.1f} s")

    def note(self, message: str) -> None:
        """Write it as a line of its own."""
        self._console.print(message, highlight=False, markup=False, soft_wrap=True)
