"""What goes wrong again and again is counted, and told ever more seldom."""

from __future__ import annotations

from streamwarden.core.tally import Tally


def test_counts_are_told_at_powers_of_two_for_each_name() -> None:
    tally = Tally()
    assert [tally.add("t", "/web", "time") for _ in range(9)] == [1, 2, None, 4, None, None, None, 8, None]
    assert tally.add("t", "/app", "time") == 1


def test_names_that_others_choose_fill_no_memory() -> None:
    tally = Tally()
    assert [tally.add(str(n)) for n in range(1_000)] == [1] * 1_000
    assert [tally.add(f"new-{n}") for n in range(4)] == [1, 2, None, 4]
    assert tally.add("7") == 2
