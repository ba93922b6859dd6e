from __future__ import annotations

from streamwarden.core.positions import Positions
from streamwarden.core.records import Partition, Record

A, B = Partition("t", 0), Partition("t", 1)


def test_positions_name_what_the_group_does_not_know_yet() -> None:
    positions = Positions()
    positions.reset({A: 5, B: None})
    assert positions.uncommitted() == {}
    for offset in (5, 6):
        record = Record("t", 0, offset, 0, None, None, ())
        assert positions.take(record)
        positions.finish(record)
    positions.reach(B, 0)
    assert positions.uncommitted() == {A: 7, B: 0}
    positions.mark_committed({A: 7, B: 0})
    assert positions.uncommitted() == {}
    positions.reach(A, 9)
    assert positions.uncommitted() == {A: 9}
    assert positions.current() == {A: 9, B: 0}


def test_positions_never_go_back_and_leave_others_partitions_alone() -> None:
    positions = Positions()
    positions.reset({A: 5})
    positions.reach(A, 3)
    positions.reach(B, 3)
    assert positions.uncommitted() == {}


def test_a_position_that_the_log_does_not_have_moves_to_its_first_offset() -> None:
    positions = Positions()
    positions.reset({A: 5, B: 4})
    assert positions.fit(A, 2, 9) == 0
    assert positions.fit(B, 2, 9) == 0
    assert positions.uncommitted() == {}
    assert positions.fit(A, 7, 9) == 2
    assert positions.uncommitted() == {A: 7}
    assert positions.fit(A, 0, 3) == -4
    assert positions.uncommitted() == {A: 0, B: 4}, "with a topic the group's positions in it have gone"
