"""Mounts that only some processes see, as another ``/etc/hosts``; it takes user namespaces, and no root."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOLD = 'set -e; eval "$0"; echo ready; exec cat'
"""Until its input is closed, also by the end of who has started it."""


@dataclass(frozen=True)
class Mounts:
    """A mount namespace, as long as a process holds it."""

    holder: int
    """Its pid."""

    @property
    def root(self) -> Path:
        """The root of its files, for whoever is outside; never to be resolved."""
        return Path(f"/proc/{self.holder}/root")

    @property
    def launcher(self) -> tuple[str, ...]:
        """What a command is handed to that is to see these mounts."""
        return ("nsenter", f"--target={self.holder}", "--user", "--preserve-credentials", "--mount", "--")


@contextmanager
def private_mounts(setup: str = ":") -> Iterator[Mounts]:
    """Hold a mount namespace in which these lines of a shell have been run; skip the test where none can be made."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _HOLD, setup]
    try:
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError as error:
        pytest.skip(f"no mounts of one's own here: {error}")
    with holder:
        assert holder.stdout is not None
        if holder.stdout.readline() != b"ready\n":
            _, told = holder.communicate()
            pytest.skip(f"no mounts of one's own here: {told.decode()}")
        try:
            yield Mounts(holder.pid)
        finally:
            holder.communicate()
