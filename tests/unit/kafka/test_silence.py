"""For how long nothing was heard of a partition: times are given."""

from __future__ import annotations

from streamwarden_kafka.silence import LONGEST_S, Silence


def test_who_was_silent_for_too_long_is_told_and_again_after_as_long() -> None:
    silence = Silence({0, 1}, 100.0)
    assert silence.too_long(100.0 + LONGEST_S - 0.1) == []
    silence.heard(1, 105.0)
    assert silence.too_long(100.0 + LONGEST_S) == [0]
    assert silence.too_long(100.0 + LONGEST_S) == []
    assert sorted(silence.too_long(100.0 + 2 * LONGEST_S)) == [0, 1]


def test_of_others_nothing_is_kept() -> None:
    silence = Silence({0}, 0.0)
    silence.heard(7, 0.0)
    assert silence.too_long(LONGEST_S) == [0]
