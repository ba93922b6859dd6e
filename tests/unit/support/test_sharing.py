"""One for all: started by the first, ended after the last."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Self

import pytest
from support.sharing import shared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 30
DIES = """
import os, sys
from contextlib import nullcontext
from pathlib import Path
from support.sharing import shared
with shared(Path(sys.argv[1]), lambda _: nullcontext({"port": 6})):
    os._exit(3)
"""


@contextmanager
def service(folder: Path) -> Iterator[dict[str, Any]]:
    """Write down each start and each end."""
    log = folder / "log"
    log.write_text(log.read_text() + "started " if log.exists() else "started ")
    yield {"port": 7}
    log.write_text(log.read_text() + "ended ")


class User:
    """Uses it until it is told to leave."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begun, self._leave = Event(), Event()
        self.facts: dict[str, Any] = {}
        self._thread = Thread(target=self._use, daemon=True)
        self._thread.start()

    def begun(self) -> Self:
        assert self._begun.wait(PATIENCE_S)
        return self

    def told_to_leave(self) -> Self:
        self._leave.set()
        return self

    def gone(self) -> None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def _use(self) -> None:
        with shared(self._folder, service) as self.facts:
            self._begun.set()
            self._leave.wait(PATIENCE_S)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "service"


@pytest.mark.slow
def test_it_is_started_once_and_ended_after_its_last_user(folder: Path) -> None:
    owner = User(folder).begun()
    first, second = User(folder).begun(), User(folder).begun()
    owner.told_to_leave()
    first.told_to_leave().gone()
    assert (folder / "log").read_text() == "started "
    late = User(folder).begun()
    second.told_to_leave().gone()
    assert (folder / "log").read_text() == "started "
    late.told_to_leave().gone()
    owner.gone()
    assert (folder / "log").read_text() == "started ended "
    assert [user.facts for user in (owner, first, second, late)] == [{"port": 7}] * 4


def test_who_comes_after_the_end_starts_it_again(folder: Path) -> None:
    for _ in range(2):
        User(folder).begun().told_to_leave().gone()
    assert (folder / "log").read_text() == "started ended started ended "


@pytest.mark.slow
def test_an_owner_that_dies_is_followed_by_the_next(folder: Path) -> None:
    died = subprocess.run([sys.executable, "-c", DIES, str(folder)], check=False, timeout=PATIENCE_S, env=_path())
    assert died.returncode == 3
    user = User(folder).begun()
    assert user.facts == {"port": 7}
    user.told_to_leave().gone()


def test_a_start_that_fails_is_tried_again_by_the_next(folder: Path) -> None:
    @contextmanager
    def broken(_: Path) -> Iterator[dict[str, Any]]:
        raise OSError("no port is free")
        yield {}

    with pytest.raises(OSError, match="no port"), shared(folder, broken):
        pass
    assert User(folder).begun().told_to_leave().facts == {"port": 7}


def test_what_is_told_can_be_read_by_its_owner_alone(folder: Path) -> None:
    with shared(folder, service):
        assert (folder / "facts.json").stat().st_mode & 0o777 == 0o600


def _path() -> dict[str, str]:
    return {"PYTHONPATH": next(path for path in sys.path if path.endswith("/tests"))}
