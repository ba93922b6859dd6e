"""Durations as users write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from streamwarden_contract.models.durations import parse_duration
from streamwarden_contract.models.fields import DURATION_PATTERN, Duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("1s", timedelta(seconds=1)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("1m1m", timedelta(minutes=2)),
        ("0h1s", timedelta(seconds=1)),
        ("00001h2m3s4ms", timedelta(hours=1, minutes=2, seconds=3, milliseconds=4)),
        ("99999h", timedelta(hours=99_999)),
    ],
)
def test_read(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "1", "s", "1d", "5 days", "-1s", "1.5s", "1s\n", "100000s", "1s1s1s1s1s", "PT1S", "٣s"]
)
def test_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ValueError, match="write it as in 1h30m, 10s or 500ms"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "0ms", "00000h", "0h0m0s0ms"])
def test_zero_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a duration must be positive"):
        parse_duration(text)


@given(st.from_regex(DURATION_PATTERN, fullmatch=True) | st.text(alphabet="0123456789hms", max_size=12))
def test_the_models_take_exactly_what_can_be_read(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError:
        with pytest.raises(ValidationError):
            TypeAdapter(Duration).validate_python(text)
    else:
        assert TypeAdapter(Duration).validate_python(text) == text
