"""Fragments of the changelog, the version, and that what runs before a commit is what ``make check`` runs."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "changelog.d"
OTHERS = {"README.md", "template.jinja"}
FRAGMENTS = sorted(path for path in FOLDER.iterdir() if path.name not in OTHERS)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FRAGMENTS, ids=[path.name for path in FRAGMENTS])
def test_a_fragment_is_named_by_topic_and_type_and_says_it_in_sentences(path: Path) -> None:
    types = "|".join(one["directory"] for one in PROJECT["tool"]["towncrier"]["type"])
    assert re.fullmatch(rf"[a-z0-9]+(-[a-z0-9]+)*\.({types})\.md", path.name)
    text = path.read_text(encoding="utf-8")
    assert re.fullmatch(r"[A-Z`][^\n]*[^\s][.]\n", text), "one line that begins and ends as a sentence does"


@pytest.mark.slow
def test_the_next_changelog_has_every_fragment_and_links_as_seen_from_the_root() -> None:
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9", "--date", "2026-01-01"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("## 9.9.9 (2026-01-01)\n")
    for path in FRAGMENTS:
        assert f"* {path.read_text(encoding='utf-8').strip().replace('](../', '](')}\n" in done.stdout
    for target in re.findall(r"\]\(([^)#:]+)", done.stdout):
        assert (ROOT / target).exists(), target


def test_all_distributions_have_one_version() -> None:
    members = PROJECT["tool"]["uv"]["workspace"]["members"]
    projects = [ROOT / member / "pyproject.toml" for member in members]
    versions = {tomllib.loads(path.read_text(encoding="utf-8"))["project"]["version"] for path in projects}
    assert versions == {PROJECT["project"]["version"]}


def test_what_runs_before_a_commit_is_what_make_check_runs() -> None:
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    checks = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    assert [hook["entry"] for hook in config["repos"][0]["hooks"]] == checks


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_a_form_for_issues_can_be_read_and_asks_each_thing_once(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.name == "config.yml":
        assert form == {"blank_issues_enabled": False}
        return
    assert {"name", "description", "body"} <= form.keys()
    asked = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(asked) == len(set(asked)) > 0
