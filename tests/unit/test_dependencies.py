"""What the members declare: what they import, no more and no less, and one another in their own version."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WORKSPACE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MEMBERS = tuple(WORKSPACE["tool"]["uv"]["workspace"]["members"])


def project(member: str) -> dict[str, Any]:
    read: dict[str, Any] = tomllib.loads((ROOT / member / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return read


def requirements(member: str) -> list[str]:
    """Return what a member requires, with what its extras do."""
    extras = project(member).get("optional-dependencies", {})
    return [*project(member)["dependencies"], *(each for extra in extras.values() for each in extra)]


def name_of(requirement: str) -> str:
    """Return the distribution's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]).lower()


def packages_of(member: str) -> set[str]:
    return {path.name for path in (ROOT / member / "src").iterdir() if (path / "__init__.py").is_file()}


OURS = {package: project(member)["name"] for member in MEMBERS for package in packages_of(member)}
STARTED = {"cli": {"streamwarden", "streamwarden-gate"}}
"""What a member imports nowhere and starts as programs: dev's agents and gates."""
DISTRIBUTIONS = {package: {name_of(name) for name in names} for package, names in packages_distributions().items()}


@cache
def imported_modules(source: str) -> set[str]:
    """Return the packages that a module's code names in its imports, wherever they stand."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            found.add(node.module)
    return {name.partition(".")[0] for name in found}


def imported(member: str) -> set[str]:
    """Return the distributions that a member imports, but for itself and the standard library."""
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / member / "src").rglob("*.py"))
    modules = {module for source in sources for module in imported_modules(source)}
    foreign = modules - sys.stdlib_module_names - packages_of(member)
    return {name for module in foreign for name in ({OURS[module]} if module in OURS else DISTRIBUTIONS[module])}


def test_imports_are_found_wherever_they_stand() -> None:
    source = "import a.b\nfrom c.d import e\nfrom . import f\ndef g():\n    import h as i\n"
    assert imported_modules(source) == {"a", "c", "h"}


@pytest.mark.slow
@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_declares_what_it_imports_or_starts_and_nothing_else(member: str) -> None:
    assert sorted(imported(member) | STARTED.get(member, set())) == sorted(
        {name_of(each) for each in requirements(member)}
    )


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_requires_the_others_in_its_own_version(member: str) -> None:
    own = [each for each in requirements(member) if name_of(each) in OURS.values()]
    assert [each.partition("==")[2] for each in own] == [project(member)["version"]] * len(own)
