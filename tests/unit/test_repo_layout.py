"""``operator/`` is a project folder and must never become a package: it would shadow the standard library."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEMBERS = ("contract", "judging", "kafka", "devstack", "operator", "agent_image/sdk", "agent_image/gate", "cli")


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_has_no_python_outside_of_src(member: str) -> None:
    found = [path for path in (ROOT / member).rglob("*.py") if "src" not in path.relative_to(ROOT / member).parts[:1]]
    assert found == []
    assert not (ROOT / member / "tests").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["-c", "import operator; print(operator.__file__)"], ["-m", "json.tool", "--help"]]
)
def test_python_started_in_the_root_has_the_standard_library(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    assert str(ROOT / "operator") not in done.stdout


@pytest.mark.parametrize("member", MEMBERS)
def test_a_wheel_holds_only_what_is_below_src(member: str) -> None:
    project = tomllib.loads((ROOT / member / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert packages
    assert all(package.startswith("src/") and (ROOT / member / package).is_dir() for package in packages)


@pytest.mark.slow
def test_the_linter_watches_for_shadowed_modules() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    assert settings["select"] == ["ALL"]
    assert not any(rule.startswith("A") and "A005".startswith(rule) for rule in settings["ignore"])


def test_types_are_checked_in_every_folder_of_tests() -> None:
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]["packages"]
    folders = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").glob("*/**/*.py")}
    assert folders <= set(checked)


def test_images_keep_the_source_tree_off_the_path() -> None:
    for dockerfile in (*ROOT.glob("*/Dockerfile"), *ROOT.glob("agent_image/*/Dockerfile")):
        assert "PYTHONSAFEPATH=1" in dockerfile.read_text(encoding="utf-8"), dockerfile
