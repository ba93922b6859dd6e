"""Words of others are shown as one bounded line in which nothing is hidden."""

import pytest
from streamwarden_judging.words import MAX_WORDS, as_words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("divide by zero", "divide by zero", id="plain-text-stays"),
        pytest.param("größer als 5 €, 大", "größer als 5 €, 大", id="letters-of-all-languages-stay"),
        pytest.param("a\nb\tc\x00", "a\\u000ab\\u0009c\\u0000", id="controls"),
        pytest.param("a\u202eb\u200b", "a\\u202eb\\u200b", id="formats-and-bidi"),
        pytest.param("a\u2028b\ud800", "a\\u2028b\\ud800", id="line-separators-and-lone-surrogates"),
    ],
)
def test_text_is_shown(text: str, shown: str) -> None:
    assert as_words(text) == shown


@pytest.mark.parametrize("text", ["x" * 1_000, "\u202e" * 1_000, "x" * 299 + "\n"], ids=["long", "hidden", "just"])
def test_it_is_never_longer_than_the_bound_and_says_that_it_is_cut(text: str) -> None:
    shown = as_words(text)
    assert (len(shown), shown[-3:]) == (MAX_WORDS, "...")


def test_what_just_fits_is_whole() -> None:
    assert as_words("x" * MAX_WORDS) == "x" * MAX_WORDS
