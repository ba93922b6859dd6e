"""Files that hold secrets or state are whole or not there, and an error of writing says which it was."""

from __future__ import annotations

import errno
import os
from typing import IO, TYPE_CHECKING

import pytest
from streamwarden_kafka.private_files import naming, write_private

if TYPE_CHECKING:
    from pathlib import Path


def test_a_private_file_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    path = write_private(tmp_path / "secrets" / "client.properties", "password=x\n")

    assert (path.read_text(), path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (
        "password=x\n",
        0o600,
        0o700,
    )


def test_a_full_disk_is_told_with_the_file_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_private(tmp_path / "state.json", "before")

    def opened_on_a_full_disk(number: int, *_mode: object, **_encoding: object) -> IO[str]:
        os.close(number)
        return open("/dev/full", "w", encoding="utf-8")  # noqa: PTH123  # in the place of os.fdopen

    monkeypatch.setattr(os, "fdopen", opened_on_a_full_disk)
    with pytest.raises(OSError, match="No space left on device") as told:
        write_private(path, "after")

    assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(path))
    assert str(told.value) == f"[Errno 28] No space left on device: '{path}'"
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]
    assert path.read_text() == "before"


def test_an_error_that_names_its_file_keeps_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as told, naming(tmp_path):
        (tmp_path / "gone").read_text()

    assert told.value.filename == str(tmp_path / "gone")
