"""Sizes of regular expressions with their repetitions written out: never below what the engine builds."""

import pytest
from streamwarden_judging.typed.patterns import written_out


@pytest.mark.parametrize(
    ("pattern", "least", "most"),
    [
        ("^[a-z]+$", 8, 8),
        ("a{1000}", 1_000, 1_000),
        ("(a?){1000}", 2_000, 5_000),
        ("((ab{1,30}){30}){30}", 27_000, 35_000),
        ("[a-z]{3}", 3, 15),
        ("a{2,}", 2, 4),
        (r"\{1000\}", 8, 8),
        ("(a))b(", 4, 7),
        ("((a{1000}){1000}){1000}", 10**9, 10**9),
    ],
)
def test_repetitions_count(pattern: str, least: int, most: int) -> None:
    assert least <= written_out(pattern) <= most
