"""After a death partitions are read one by one, until it is certain what the next one dies of."""

from __future__ import annotations

from streamwarden_kafka.deaths import MOST_DEATHS, MOST_SKIPPED, SKIPPED_WITHIN_S
from streamwarden_kafka.isolated.suspects import Suspects

A, B = ("pages", 0), ("pages", 1)


def die(suspects: Suspects, position: int, times: int = MOST_DEATHS, now_s: float = 0.0) -> None:
    """Let so many processes die of the first partition, the only one."""
    for _ in range(times):
        assert suspects.choose({A: position}, (), now_s) == A
        suspects.died(position)


def begun() -> Suspects:
    suspects = Suspects()
    suspects.begin(0.0)
    return suspects


def test_nothing_is_suspected_before_a_death() -> None:
    suspects = Suspects()
    assert not suspects.active
    suspects.begin(0.0)
    assert suspects.active


def test_partitions_take_turns_and_it_is_over_when_all_were_read_to_their_end() -> None:
    suspects, turns = begun(), []
    for _ in range(2):
        turns.append(suspects.choose({A: 5, B: 7}, (), 0.0))
        suspects.ended()
    assert turns == [A, B]
    assert suspects.choose({A: 5, B: 7}, (), 0.0) is None
    assert not suspects.active


def test_a_turn_ends_after_some_records_or_seconds() -> None:
    suspects = begun()
    assert suspects.choose({A: 0, B: 0}, (), 0.0) == A
    for _ in range(100):
        assert suspects.choose({A: 0, B: 0}, (), 1.0) == A
        suspects.took()
    assert suspects.choose({A: 0, B: 0}, (), 1.0) == B
    assert suspects.choose({A: 0, B: 0}, (), 15.9) == B
    assert suspects.choose({A: 0, B: 0}, (), 16.0) == A


def test_what_is_paused_gets_no_turn_and_holds_nothing_up() -> None:
    suspects = begun()
    assert suspects.choose({A: 0, B: 0}, {A}, 0.0) == B
    suspects.ended()
    assert suspects.choose({A: 0, B: 0}, {A}, 0.0) is None
    assert not suspects.active


def test_new_positions_are_read_to_their_end_again() -> None:
    suspects = begun()
    assert suspects.choose({A: 0, B: 0}, (), 0.0) == A
    suspects.ended()
    suspects.moved()
    assert {suspects.choose({A: 3}, (), 0.0)} == {A}


def test_after_some_minutes_all_is_read_as_usual_unless_processes_die() -> None:
    suspects = begun()
    assert suspects.choose({A: 5}, (), 299.0) == A
    suspects.died(5)
    assert suspects.choose({A: 5}, (), 301.0) == A
    assert suspects.choose({A: 6}, (), 301.0) is None
    assert not suspects.active


def test_three_deaths_in_one_place_are_enough_and_fewer_or_those_of_other_places_are_not() -> None:
    suspects = begun()
    for position in (4, 5, 5):
        die(suspects, position, 1)
    suspects.choose({A: 5}, (), 0.0)
    assert suspects.may_read(5)
    suspects.died(5)
    suspects.choose({A: 5}, (), 0.0)
    assert not suspects.may_read(5)
    assert suspects.may_read(4)
    assert suspects.give_up(5, 0.0)


def test_so_many_places_are_given_up_in_an_hour_and_then_the_partition_waits_while_others_go_on() -> None:
    suspects = begun()
    for position in range(MOST_SKIPPED):
        die(suspects, position)
        suspects.choose({A: position}, (), 0.0)
        assert suspects.give_up(position, 0.0)
        assert suspects.give_up(position, 0.0), "it was not passed over yet"
    die(suspects, 99)
    assert suspects.choose({A: 99}, (), 1.0) == A
    assert not suspects.give_up(99, 1.0)
    assert suspects.choose({A: 99, B: 0}, (), 2.0) is None
    assert (suspects.active, list(suspects.halted)) == (False, [A]), "the others are read as usual"
    assert not suspects.resume({A: 99, B: 0}, 60.9)
    assert suspects.resume({A: 99, B: 0}, 61.0)
    assert suspects.choose({B: 0, A: 99}, (), 61.0) == A
    assert suspects.give_up(99, SKIPPED_WITHIN_S)


def halt(suspects: Suspects, position: int) -> None:
    """Let the first partition be halted at one second, since too many places were given up before."""
    for given_up in range(MOST_SKIPPED):
        die(suspects, given_up)
        suspects.choose({A: given_up}, (), 0.0)
        assert suspects.give_up(given_up, 0.0)
    die(suspects, position)
    suspects.choose({A: position}, (), 1.0)
    assert not suspects.give_up(position, 1.0)


def test_while_one_is_halted_the_others_are_read_one_by_one_where_processes_die_of_them() -> None:
    suspects = begun()
    suspects.choose({B: 7}, (), 0.0)
    suspects.died(7)
    halt(suspects, 99)
    assert suspects.choose({A: 99, B: 7}, (), 2.0) == B
    assert suspects.choose({A: 99, B: 8}, (), 2.0) is None
    suspects.begin(3.0)
    assert suspects.choose({A: 99, B: 8}, (), 3.0) == B, "another process has died"


def test_who_was_halted_and_is_not_ours_or_stands_elsewhere_by_then_is_suspected_no_more() -> None:
    for positions, read_again in (({B: 0}, False), ({A: 100, B: 0}, True)):
        suspects = begun()
        halt(suspects, 99)
        assert suspects.choose({A: 99, B: 0}, (), 2.0) is None
        assert suspects.resume(positions, 61.0) == read_again
        assert (suspects.active, list(suspects.halted)) == (False, [])
