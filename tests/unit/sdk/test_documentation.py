"""The program in docs/agents.md is the promise of how little an author writes: it must run as it stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_PAGE = Path(__file__).parents[3] / "docs" / "agents.md"
_PROGRAM, _TEST = re.findall(r"```python\n(.*?)```", _PAGE.read_text(), re.DOTALL)


def test_the_documented_agent_passes_its_documented_test(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("pages")
    monkeypatch.setitem(sys.modules, "pages", module)
    exec(compile(_PROGRAM, "pages.py", "exec"), vars(module))  # noqa: S102  # the documentation is ours
    scope: dict[str, object] = {}
    exec(compile(_TEST, "test_pages.py", "exec"), scope)  # noqa: S102  # likewise
    test = scope["test_sure_pages_are_blocked"]
    assert callable(test)
    test()


def test_a_whole_agent_takes_less_than_30_lines() -> None:
    assert len(_PROGRAM.splitlines()) < 30
