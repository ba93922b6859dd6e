"""The example's folder is on the path, as it is where its agents run; its modules are loaded afresh for each test."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[3] / "examples" / "phishing"


@pytest.fixture
def folder() -> Path:
    return FOLDER


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of the example anew, as a process that has just started would."""
    monkeypatch.syspath_prepend(str(FOLDER))
    own = {file.stem for file in FOLDER.glob("*.py")}

    def fresh(name: str) -> ModuleType:
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    yield fresh
    for name in own:
        sys.modules.pop(name, None)
