from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from streamwarden_devstack.processes import Child
from support.pids import gone

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 60
SLEEPER = "import time; time.sleep(600)"
# Says when it is deaf to SIGTERM, by making a file.
STUBBORN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("deaf").touch()
time.sleep(600)
"""
PARENT_OF_ONE = """
import pathlib, subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path("new").write_text(str(grandchild.pid))
pathlib.Path("new").rename("grandchild")
time.sleep(600)
"""
OWNER = """
import asyncio, os, sys
from pathlib import Path
from streamwarden_devstack.processes import Child

async def main():
    child = await Child.start([sys.executable, "-c", sys.argv[1]], env=os.environ, cwd=Path.cwd(), grace_s=0.2)
    print(child.child_pid, flush=True)
    await child.wait()

asyncio.run(main())
"""


async def start(cwd: Path, code: str, **options: float) -> Child:
    return await Child.start([sys.executable, "-c", code], env=os.environ, cwd=cwd, log=cwd / "log", **options)


async def made(path: Path) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not path.exists():  # noqa: ASYNC110, ASYNC240  # another process makes it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("pass", 0, id="success"),
        pytest.param("raise SystemExit(7)", 7, id="exit-code"),
        pytest.param("import os; os.kill(os.getpid(), 9)", -9, id="killed"),
        pytest.param("import os; os.kill(os.getpid(), 15)", -15, id="terminated"),
    ],
)
async def test_the_return_code_is_the_childs_own(tmp_path: Path, code: str, expected: int) -> None:
    child = await start(tmp_path, code)

    async with asyncio.timeout(PATIENCE_S):
        assert await child.wait() == expected
    assert child.returncode == expected


async def test_killing_the_child_by_its_pid_is_seen(tmp_path: Path) -> None:
    child = await start(tmp_path, SLEEPER)
    assert child.returncode is None

    os.kill(child.child_pid, signal.SIGKILL)

    async with asyncio.timeout(PATIENCE_S):
        assert await child.wait() == -signal.SIGKILL


async def test_output_goes_to_the_log_that_only_its_owner_reads(tmp_path: Path) -> None:
    child = await start(tmp_path, "import sys; print('out', flush=True); sys.stderr.write('err')")
    await child.wait()

    assert (tmp_path / "log").read_text() == "out\nerr"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


async def test_the_environment_is_exactly_what_was_given(tmp_path: Path) -> None:
    code = "import os; print(os.environ.get('GIVEN'), os.environ.get('HOME'), os.getcwd())"
    child = await Child.start([sys.executable, "-c", code], env={"GIVEN": "yes"}, cwd=tmp_path, log=tmp_path / "log")
    await child.wait()

    assert (tmp_path / "log").read_text() == f"yes None {tmp_path}\n"


async def test_stopping_is_polite_first(tmp_path: Path) -> None:
    child = await start(tmp_path, SLEEPER)

    assert await child.stop(10) == -signal.SIGTERM
    assert await child.stop(10) == -signal.SIGTERM


async def test_a_child_that_does_not_listen_is_killed_after_the_grace(tmp_path: Path) -> None:
    child = await start(tmp_path, STUBBORN)
    await made(tmp_path / "deaf")

    async with asyncio.timeout(PATIENCE_S):
        assert await child.stop(0.1) == -signal.SIGKILL


async def test_a_command_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-command"):
        await Child.start(["no-such-command"], env=os.environ, cwd=tmp_path)


async def test_grandchildren_end_with_the_child(tmp_path: Path) -> None:
    child = await start(tmp_path, PARENT_OF_ONE)
    await made(tmp_path / "grandchild")

    os.kill(child.child_pid, signal.SIGKILL)
    await child.wait()

    await gone(int((tmp_path / "grandchild").read_text()))  # a few bytes


@pytest.mark.parametrize(
    ("code", "ready"),
    [
        pytest.param(PARENT_OF_ONE, "grandchild", id="with-a-grandchild"),
        pytest.param(STUBBORN, "deaf", id="deaf-to-sigterm"),
    ],
)
async def test_nothing_outlives_an_owner_that_is_killed(tmp_path: Path, code: str, ready: str) -> None:
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, code, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    child = int(await owner.stdout.readline())
    await made(tmp_path / ready)

    owner.kill()
    await owner.wait()

    await gone(child)
    if code is PARENT_OF_ONE:
        await gone(int((tmp_path / ready).read_text()))  # a few bytes


async def test_a_killed_supervisor_takes_the_child_with_it(tmp_path: Path) -> None:
    child = await start(tmp_path, SLEEPER)

    os.kill(child.pid, signal.SIGKILL)
    await child.wait()

    await gone(child.child_pid)
