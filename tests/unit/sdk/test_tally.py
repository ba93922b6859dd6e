"""What goes wrong again and again is counted, and told ever more seldom."""

from __future__ import annotations

from streamwarden.core.tally import Tally, is_worth_telling


def test_each_name_is_counted_and_told_at_powers_of_two() -> None:
    tally = Tally()
    counts = [tally.add("t", "/web", "time") for _ in range(9)]
    assert counts == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert [count for count in counts if is_worth_telling(count)] == [1, 2, 4, 8]
    assert tally.add("t", "/app", "time") == 1


def test_names_that_others_choose_fill_no_memory() -> None:
    tally = Tally()
    assert [tally.add(str(n)) for n in range(1_000)] == [1] * 1_000
    assert [tally.add(f"new-{n}") for n in range(4)] == [1, 2, 3, 4]
    assert tally.add("7") == 2
