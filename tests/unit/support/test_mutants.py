"""Each place where something is decided is broken, one at a time."""

from __future__ import annotations

import pytest
from support.mutants import mutants_of, report, too_few


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


def test_a_report_lists_those_that_live_and_counts_by_module() -> None:
    made = [*mutants_of("m.py", "a < b\nc == d"), *mutants_of("n.py", "a < b")]
    assert report(made, made[:1]) == [
        "streamwarden_judging/m.py:1: Lt becomes LtE",
        "streamwarden_judging/m.py: 1 of 2 killed",
        "streamwarden_judging/n.py: 1 of 1 killed",
        "2 of 3 mutants killed",
    ]


@pytest.mark.parametrize(
    ("alive", "expected"),
    [
        pytest.param(0, [], id="all-killed"),
        pytest.param(1, [], id="nine-in-ten-are-enough"),
        pytest.param(2, ["m.py"], id="eight-in-ten-are-too-few"),
    ],
)
def test_of_a_demanded_module_nine_in_ten_must_die(alive: int, expected: list[str]) -> None:
    made = list(mutants_of("m.py", "a < b\n" * 10))
    assert too_few(made, made[:alive], frozenset({"m.py"})) == expected
