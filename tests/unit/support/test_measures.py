"""Files and functions stay small: what is over its limit fails the check."""

import pytest
from support.measures import MOST_LINES, MOST_LINES_OF_A_FUNCTION, measure, row, spread, too_large

LONG = "def long():\n" + "    pass\n" * (MOST_LINES_OF_A_FUNCTION - 1)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        pytest.param("x = 1\n" * MOST_LINES, [], id="a-file-that-just-fits"),
        pytest.param("x = 1\n" * (MOST_LINES + 1), ["m.py: 401 lines, of at most 400"], id="a-file-that-is-too-long"),
        pytest.param(LONG, [], id="a-function-that-just-fits"),
        pytest.param(LONG + "    pass\n", ["m.py:1 long: 61 lines, of at most 60"], id="a-function-that-is-too-long"),
        pytest.param(
            "class A:\n    async " + LONG.replace("\n", "\n    ") + "    pass\n",
            ["m.py:2 long: 61 lines, of at most 60"],
            id="a-method-likewise",
        ),
    ],
)
def test_what_is_too_large_is_named(source: str, said: list[str]) -> None:
    assert too_large([measure("m.py", source)]) == said


def test_a_row_has_what_closing_notes_ask_for() -> None:
    modules = [measure("a.py", "x = 1  # type: ignore[misc]\n"), measure("b.py", "def f():\n    pass\n" * 2)]
    assert row("all", modules).split() == ["all", "2", "2/4/4", "2", "2/2/2", "1"]


@pytest.mark.parametrize(("sizes", "said"), [([], "-"), ([7], "7"), ([1, 2, 3], "2/3/3")], ids=["none", "one", "three"])
def test_a_spread_is_median_ninth_decile_and_largest(sizes: list[int], said: str) -> None:
    assert spread(sizes) == said
