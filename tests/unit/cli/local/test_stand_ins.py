"""What stands in an agent's place where dev starts no process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.local.stand_ins import RunByPerson

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
async def test_x29_an_agent_that_a_person_runs_is_ready_while_its_ready_file_is_there(tmp_path: Path) -> None:
    file, changed = tmp_path / "ready", asyncio.Event()
    file.touch()
    process = RunByPerson(file, changed.set)

    # That of an earlier one is nobody's word, and is gone before anybody can be told to start a new one.
    assert (file.exists(), process.ready) == (False, False)
    async with asyncio.timeout(20):
        for there in (True, False):
            changed.clear()
            file.touch() if there else file.unlink()
            await changed.wait()
            assert process.ready is there
    await process.stop(0)
    await process.stop(0)
