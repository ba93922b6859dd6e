"""``streamwarden stack`` as a person uses it."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.main import app
from streamwarden_cli.stack.background import Background
from support.pids import gone
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

pytestmark = pytest.mark.kafka


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state" / "stack"
    yield folder
    Background(folder).stop()


def streamwarden(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["stack", *map(str, arguments)])


def health(folder: Path) -> tuple[int, dict[str, object]]:
    answer = streamwarden("status", "--state-dir", folder, "--output", "json")
    return answer.exit_code, json.loads(answer.stdout)


async def test_up_is_idempotent_survives_its_terminal_and_ends_with_down(folder: Path) -> None:
    first = streamwarden("up", "--no-registry", "--state-dir", folder)
    again = streamwarden("up", "--no-registry", "--state-dir", folder)
    code, found = health(folder)

    assert first.exit_code == 0, first.output
    assert "client.properties" in first.stdout
    assert again.stdout == first.stdout
    assert (code, found["healthy"], found["kafka"], found["registry"]) == (0, True, True, None)
    assert (folder / "client.properties").stat().st_mode & 0o777 == 0o600
    assert folder.parent.stat().st_mode & 0o777 == 0o700

    assert streamwarden("down", "--state-dir", folder).stdout == "stopped\n"
    assert health(folder)[0] == 1
    assert streamwarden("down", "--state-dir", folder).stdout == "no stack runs here\n"


async def test_what_a_killed_stack_left_is_no_obstacle(folder: Path) -> None:
    streamwarden("up", "--no-registry", "--state-dir", folder)
    pid = Background(folder).pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await gone(pid)

    code, found = health(folder)
    assert (code, found["pid"]) == (1, None)
    assert streamwarden("down", "--state-dir", folder).exit_code == 0

    assert streamwarden("up", "--no-registry", "--state-dir", folder).exit_code == 0
    assert health(folder)[0] == 0


def test_status_without_a_stack_says_how_to_start_one(tmp_path: Path) -> None:
    answer = streamwarden("status", "--state-dir", tmp_path)

    assert answer.exit_code == 1
    assert "streamwarden stack up" in answer.stdout
