"""One of something for all workers of a run: who asks first starts it, and ends it once nobody uses it any more.

Its users hold locks of the system, which end with the process that holds them: nobody counts, and nothing is left over
when a worker dies.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pytest

Facts = dict[str, Any]
"""What its users are told, as JSON has it: it goes through a file."""

_PAUSE_S = 0.1


class FileLock:
    """A lock on a file, among processes and among those who open it twice in one process."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def take(self) -> None:
        """Wait until it is ours alone."""
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def take_now(self) -> bool:
        """Take it alone if nobody has it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def join(self) -> None:
        """Take it with others."""
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def leave(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)


def run_folder(factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the workers of this run have in common."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@contextmanager
def shared(folder: Path, start: Callable[[Path], AbstractContextManager[Facts]]) -> Iterator[Facts]:
    """Use what ``start`` runs in this folder, and start it where nobody has."""
    folder.mkdir(exist_ok=True, mode=0o700)
    facts = folder / "facts.json"
    with FileLock(folder / "owner") as owner, FileLock(folder / "users") as users, FileLock(folder / "door") as door:
        door.take()
        if not owner.take_now():
            users.join()
            door.leave()
            yield json.loads(facts.read_text())
            return
        with start(folder) as told:
            facts.touch(mode=0o600)
            facts.write_text(json.dumps(told))
            door.leave()
            try:
                yield told
            finally:
                _wait_unused(door, users)


def _wait_unused(door: FileLock, users: FileLock) -> None:
    """Wait for the last user, and shut the door behind it. Users end with the run, so there is no deadline."""
    while True:
        door.take()
        if users.take_now():
            return
        door.leave()
        time.sleep(_PAUSE_S)
