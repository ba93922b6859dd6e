"""The program in docs/agents.md is the promise of how little an author writes: it must run as it stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

_DOCS = Path(__file__).parents[3] / "docs"


def blocks_of(page: str) -> tuple[str, str]:
    """Return a page's program and its test."""
    program, test = re.findall(r"```python\n(.*?)```", (_DOCS / page).read_text(), re.DOTALL)
    return program, test


@pytest.mark.parametrize(
    ("page", "name", "test_name"),
    [
        ("agents.md", "pages", "test_sure_pages_are_blocked"),
        ("executors.md", "pages_executor", "test_pages_are_blocked_in_time_or_not_at_all"),
    ],
    ids=["agent", "executor"],
)
def test_the_documented_agent_passes_its_documented_test(
    page: str, name: str, test_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, test = blocks_of(page)
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(program, f"{name}.py", "exec"), vars(module))  # noqa: S102  # the documentation is ours
    scope: dict[str, object] = {}
    exec(compile(test, f"test_{name}.py", "exec"), scope)  # noqa: S102  # likewise
    run = scope[test_name]
    assert callable(run)
    run()


def test_a_whole_agent_takes_less_than_30_lines() -> None:
    program, _ = blocks_of("agents.md")
    assert len(program.splitlines()) < 30
