"""Files that hold secrets or state: never seen half written, never readable by others."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can enter (0700), as are all folders made on the way to it."""
    if not path.parent.is_dir():
        private_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)
    return path


def write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner can read (0600), atomically; missing folders are made for its owner only."""
    if not path.parent.is_dir():
        private_folder(path.parent)
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    # A file that is there already is somebody else's: it may be readable by others.
    number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with naming(path), os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
    except BaseException:
        new.unlink()  # on a full disk each further attempt would leave one more
        raise
    return new.replace(path)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of writing say which file it was: the system's own, as of a full disk, names none."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
