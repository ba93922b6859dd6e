"""Each place where something is decided is broken, one at a time."""

from __future__ import annotations

import ast

import pytest
from support.mutants import EQUIVALENT, PACKAGE, mutants_of


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("a < b", ["a <= b"], id="a-bound"),
        pytest.param("a == b != c", ["a != b != c", "a == b == c"], id="each-comparison-of-a-chain"),
        pytest.param("a and not b", ["a or not b", "a and b"], id="logic"),
        pytest.param("if a:\n    b", ["if True:\n    b", "if False:\n    b"], id="a-condition"),
        pytest.param("a = 1", ["a = 2"], id="a-number"),
        pytest.param("a = True", ["a = False"], id="a-truth-value"),
        pytest.param("raise a", ["pass"], id="a-refusal"),
        pytest.param("def f():\n    return a", ["def f():\n    return"], id="an-answer"),
        pytest.param("def f():\n    return None", [], id="no-answer-stays-none"),
        pytest.param("if TYPE_CHECKING:\n    a", [], id="imports-for-types"),
        pytest.param("@a(True)\ndef f(b: c[1]) -> d[2]:\n    'text'", [], id="decorators-types-and-texts"),
    ],
)
def test_a_change_for_each_decision(source: str, expected: list[str]) -> None:
    assert [mutant.source for mutant in mutants_of("m.py", source)] == expected


def test_a_mutant_says_where_it_differs() -> None:
    (mutant,) = mutants_of("m.py", "a = b\nc = d < e\n")
    assert (mutant.module, mutant.line, mutant.change) == ("m.py", 2, "Lt becomes LtE")


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
    known = {(mutant.module, mutant.place, mutant.change) for mutant in found if mutant.equivalent}
    assert known == set(EQUIVALENT)
