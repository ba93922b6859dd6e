"""How many records are taken at once."""

from __future__ import annotations

import pytest
from streamwarden_gate.stride import Stride


@pytest.mark.parametrize(
    ("count", "took_s", "expected"),
    [
        pytest.param(3_000, 0.6, 3_000, id="as-many-as-ever-of-quick-ones"),
        pytest.param(3_000, 1.5, 2_000, id="a-second-s-worth-of-slower-ones"),
        pytest.param(7, 2.1, 3, id="three-of-those-that-take-as-long-as-a-rule-may"),
        pytest.param(1, 20.0, 1, id="one-at-least"),
        pytest.param(1, 0.0, 3_000, id="of-what-takes-no-time-as-many-as-ever"),
        pytest.param(0, 5.0, 3_000, id="nothing-says-nothing"),
    ],
)
def test_a_second_s_worth_is_taken(count: int, took_s: float, expected: int) -> None:
    stride = Stride(3_000)
    stride.judged(count, took_s)
    assert stride.records == expected


def test_it_grows_again_once_records_are_quick() -> None:
    stride = Stride(3_000)
    stride.judged(7, 2.1)
    stride.judged(3, 0.003)
    assert stride.records == 1_000
