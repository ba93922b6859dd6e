"""The mutants of what judges today; how one is made is in tests/unit/support/test_mutants.py."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from support.mutants import EQUIVALENT, JUDGES_ALIKE, PACKAGE, PRELOADED, mutants_of


@pytest.mark.parametrize("module", ["rules.py", "verdicts.py", "schemas.py"])
def test_every_mutant_of_what_judges_is_another_program(module: str) -> None:
    source = (PACKAGE / module).read_text()
    unchanged = ast.unparse(ast.parse(source))
    sources = [mutant.source for mutant in mutants_of(module, source)]
    assert sources
    assert unchanged not in sources
    assert len(set(sources)) == len(sources)


def test_what_is_said_to_make_no_difference_is_a_mutant_of_today() -> None:
    found = [mutant for path in PACKAGE.glob("*.py") for mutant in mutants_of(path.name, path.read_text())]
    assert {*EQUIVALENT, *JUDGES_ALIKE} - {mutant.name for mutant in found} == set()


def test_what_is_loaded_before_the_mutants_is_not_the_package() -> None:
    loaded = f"import sys; {'; '.join(f'import {name}' for name in PRELOADED)}; print('{PACKAGE.name}' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
