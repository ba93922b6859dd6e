"""The folder ``.streamwarden`` below the user's: what one run of ``dev`` keeps, for its owner's eyes only."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from typing import TYPE_CHECKING

from streamwarden_kafka.private_files import naming, private_folder, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATE_FOLDER = ".streamwarden"
_LOCK = "lock"


class StateError(Exception):
    """The state folder cannot be used; the message says why and what to do."""


class FolderLockedError(StateError):
    """Another ``dev`` runs in this folder."""


class StateFolder:
    """Paths below ``.streamwarden``. Folders are 0700 and files 0600: passwords lie in there."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.root = project / STATE_FOLDER

    @property
    def resources(self) -> Path:
        """Every resource with its status, as JSON."""
        return self.root / "status"

    @property
    def uids(self) -> Path:
        return self.root / "uids"

    @property
    def secrets(self) -> Path:
        """``<namespace>/<secret>/<key>``."""
        return self.root / "secrets"

    @property
    def operator(self) -> Path:
        """The client configuration of the operator, who may read every topic."""
        return self.root / "operator.properties"

    @property
    def external(self) -> Path:
        """``<user>/client.properties`` of principals outside Streamwarden."""
        return self.secrets / "external"

    @property
    def config(self) -> Path:
        """``<namespace>.<agent>/agent`` and ``.../gate``: what pods find mounted in a cluster."""
        return self.root / "config"

    def pod_config(self, namespace: str, agent: str) -> Path:
        """Return the folder of one agent's pods."""
        return self.config / f"{namespace}.{agent}"

    def pod_secrets(self, namespace: str, agent: str) -> Path:
        """Return the file that names the Secrets of an agent's pods, by role."""
        return self.pod_config(namespace, agent) / "secrets.json"

    def agent_env(self, namespace: str, agent: str) -> Path:
        """Return the file with the variables of an agent that a person runs, for a shell to read."""
        return self.pod_config(namespace, agent) / "agent.env"

    @property
    def skips(self) -> Path:
        """What ``streamwarden gate skip`` asks for."""
        return self.root / "skips"

    def skip_requests(self, namespace: str, agent: str) -> Path:
        """Return the file with what gates of an agent are asked to pass over."""
        return self.skips / f"{namespace}.{agent}.json"

    @property
    def decisions(self) -> Path:
        """The decisions of this run: JSON, one a line."""
        return self.run / "decisions.jsonl"

    @property
    def clients(self) -> Path:
        """What ``streamwarden credentials`` writes."""
        return self.root / "clients"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def stack(self) -> Path:
        return self.root / "stack"

    @property
    def run(self) -> Path:
        """The decisions of this run, and what ``--at-end`` said."""
        return self.root / "run"

    def holder(self) -> int | None:
        """Return the pid of the ``dev`` that runs here; None where none does."""
        try:
            descriptor = os.open(self.root / _LOCK, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.read(descriptor, 64).decode(errors="replace").strip()
            return int(text) if text.isdigit() else 0
        finally:
            os.close(descriptor)
        return None

    def prepare(self) -> None:
        """Make the folder, emptied of an earlier run: call it with the lock held."""
        for entry in self.root.iterdir():
            if entry.name == _LOCK:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        write_private(self.root / ".gitignore", "*\n")
        for folder in (self.resources, self.secrets, self.config, self.logs, self.run, self.skips):
            private_folder(folder)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for as long as the block lasts.

        Raises:
            FolderLockedError: another process holds it; the message names that process.
        """
        private_folder(self.root)
        descriptor = os.open(self.root / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise FolderLockedError(_held_by(self.project, os.read(descriptor, 64))) from error
            os.ftruncate(descriptor, 0)
            with naming(self.root / _LOCK):
                os.write(descriptor, f"{os.getpid()}\n".encode())
            yield
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)


def _held_by(project: Path, raw: bytes) -> str:
    holder = raw.decode(errors="replace").strip()
    who = f"process {holder}" if holder else "another process"
    return f"streamwarden dev already runs in {project} ({who}); stop that one first, or use another folder"


def find_project(start: Path) -> Path:
    """Return the nearest folder, from ``start`` upwards, that ``dev`` runs in.

    Raises:
        StateError: none of them has a ``.streamwarden`` folder.
    """
    for folder in (start, *start.parents):
        if (folder / STATE_FOLDER).is_dir():
            return folder
    raise StateError(
        f"no {STATE_FOLDER} folder in {start} or above: run 'streamwarden dev' there, or name it with --dir"
    )


def write_private_json(path: Path, value: object) -> None:
    """Write JSON for people and programs, for its owner only."""
    write_private(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
