"""For how long nothing was heard of a partition: times are given."""

from __future__ import annotations

from streamwarden_kafka.silence import LONGEST_S, Silence


def test_who_was_silent_for_too_long_is_told_and_again_after_as_long() -> None:
    silence = Silence[int]()
    silence.follow({0: 7, 1: 7}, 100.0)
    assert silence.too_long(100.0 + LONGEST_S - 0.1) == []
    silence.heard(1, 105.0)
    assert silence.too_long(100.0 + LONGEST_S) == [0]
    assert silence.too_long(100.0 + LONGEST_S) == []
    assert sorted(silence.too_long(100.0 + 2 * LONGEST_S)) == [0, 1]


def test_of_others_nothing_is_kept() -> None:
    silence = Silence[int]()
    silence.follow({0: 7}, 0.0)
    silence.heard(7, 0.0)
    assert silence.too_long(LONGEST_S) == [0]


def test_the_time_of_one_that_is_read_again_from_the_same_place_goes_on() -> None:
    """As where slow rules let a gate read all anew each second."""
    silence = Silence[int]()
    for second in range(int(LONGEST_S)):
        silence.follow({0: 7, 1: second}, float(second))
        assert silence.too_long(second + 0.9) == []
    silence.follow({0: 7, 1: 20}, LONGEST_S)
    assert silence.too_long(LONGEST_S) == [0]


def test_the_time_in_which_one_was_not_read_is_no_silence_of_its() -> None:
    silence = Silence[int]()
    silence.follow({0: 7, 1: 3}, 0.0)
    silence.follow({1: 3}, 12.0)
    silence.follow({1: 4}, 500.0)
    silence.follow({0: 7, 1: 3}, 1000.0)
    assert silence.too_long(1000.0 + LONGEST_S - 12.1) == []
    assert silence.too_long(1000.0 + LONGEST_S - 12) == [0]


def test_what_was_heard_before_is_no_silence() -> None:
    silence = Silence[int]()
    silence.follow({0: 7}, 0.0)
    silence.heard(0, 15.0)
    silence.follow({0: 7}, 16.0)
    assert silence.too_long(14.9 + LONGEST_S) == []
    assert silence.too_long(15.0 + LONGEST_S) == [0]


def test_of_many_the_ones_that_were_silent_for_longest_come_first_and_each_has_its_turn() -> None:
    silence = Silence[int]()
    silence.follow({0: 0, 1: 0, 2: 0}, 0.0)
    silence.heard(0, 1.0)
    now_s = 1.0 + LONGEST_S
    assert [silence.too_long(now_s, most=1) for _ in range(4)] == [[1], [2], [0], []]
