"""Whether every committed decision has its audit record: two orders of the same offsets, compared as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract.audit_coverage import Coverage, JudgedDecision
from streamwarden_contract.audit_faults import MOST_TOLD, Place

if TYPE_CHECKING:
    from collections.abc import Iterable

TOPIC = "risk.guard.decisions"


def digest(offset: int) -> bytes:
    return offset.to_bytes(32, "big")


def _judged(at: int | tuple[int, int]) -> JudgedDecision:
    """A judged decision, or a range that was skipped."""
    return JudgedDecision(at, digest(at)) if isinstance(at, int) else JudgedDecision(at[0], b"", at[1])


def compare(
    judged: Iterable[int | tuple[int, int]],
    decisions: Iterable[int],
    *,
    low: int = 0,
    end: int = 10,
    altered: frozenset[int] = frozenset(),
    markers: frozenset[int] = frozenset(),
) -> Coverage:
    coverage = Coverage(
        TOPIC, 1, low=low, end=end, judged=map(_judged, judged), has_record=lambda offset: offset not in markers
    )
    for offset in decisions:
        coverage.take(offset, digest(-1 % 256 if offset in altered else offset))
    coverage.finish()
    return coverage


@pytest.mark.parametrize(
    ("judged", "decisions", "compared", "faults"),
    [
        pytest.param([0, 1, 3], [0, 1, 3], 3, [], id="each-has-its-record"),
        pytest.param([], [], 0, [], id="nothing"),
        pytest.param([0, 3], [0, 1, 3], 2, [("NotAudited", 1)], id="one-has-none"),
        pytest.param([0, 1], [0, 1, 3], 2, [("NotAudited", 3)], id="the-last-has-none"),
        pytest.param([0, 1, 3], [0, 3], 2, [("NoDecision", 1)], id="one-is-not-there"),
        pytest.param([0, 1, 3], [0, 1], 2, [("NoDecision", 3)], id="the-last-is-not-there"),
        pytest.param([0, 2], [0, 1], 1, [("NotAudited", 1), ("NoDecision", 2)], id="one-for-another"),
        pytest.param([3, 4], [1, 2, 3, 4], 2, [], id="before-the-first-audited-nothing-is-said"),
        pytest.param([0, (1, 3), 4], [0, 1, 3, 4], 2, [], id="X07-a-skipped-range-covers-what-lies-in-it"),
        pytest.param([0, (1, 3), 4], [0, 4], 2, [], id="X07-a-skipped-range-that-holds-nothing-now"),
        pytest.param([(0, 1), 3], [0, 1, 2, 3], 1, [("NotAudited", 2)], id="X07-a-skipped-range-covers-no-more"),
        pytest.param([9, 10, 11], [9, 10, 11, 12], 1, [], id="what-was-committed-later-is-left-alone"),
    ],
)
def test_decisions_and_their_records_are_compared(
    judged: list[int | tuple[int, int]], decisions: list[int], compared: int, faults: list[tuple[str, int]]
) -> None:
    found = compare(judged, decisions)
    assert (found.compared, [(fault.kind, fault.place.offset) for fault in found.faults]) == (compared, faults)


@pytest.mark.parametrize(
    ("judged", "decisions", "compared", "untrue", "first"),
    [
        pytest.param([0, 1, 3], [0, 1, 0, 3], 3, 1, 0, id="lower-than-the-one-before"),
        pytest.param([0, 1, 3], [0, 1, 1, 3], 3, 1, 1, id="that-of-the-one-before"),
        pytest.param([0, 2], [0, 2, 1, 0], 2, 2, 1, id="two-behind-one-that-gives-a-higher-one"),
        pytest.param([0, 3], [0, 2, 3], 2, 1, 2, id="that-of-a-marker"),
        pytest.param([0, 3], [0, 2, 2, 3], 2, 2, 2, id="that-of-a-marker-twice"),
        pytest.param([0], [0, 2], 1, 1, 2, id="that-of-a-marker-behind-all-that-was-judged"),
        pytest.param([(0, 2), 3], [0, 2, 1, 3], 1, 0, -1, id="within-a-skipped-range-it-does-not-matter"),
        pytest.param([(0, 1), 3], [0, 1, 3, 1], 1, 1, 1, id="that-of-a-range-behind-it"),
    ],
)
def test_an_offset_that_is_not_a_record_s_own_accuses_no_gate(
    judged: list[int | tuple[int, int]], decisions: list[int], compared: int, untrue: int, first: int
) -> None:
    found = compare(judged, decisions, markers=frozenset({2}))
    assert (found.compared, found.untrue, found.first_untrue) == (compared, untrue, first)
    assert list(found.faults) == []


def test_a_record_that_gives_too_high_an_offset_accuses_no_gate_of_those_that_come_behind_it() -> None:
    """The gate met it when the log ended there, passed it by, and judged what was written since."""
    coverage = Coverage(TOPIC, 1, low=0, end=8, judged=map(_judged, range(8)))
    for offset, value in ((0, 0), (1, 1), (4, 100), (2, 100), *((each, each) for each in range(2, 8))):
        coverage.take(offset, digest(value))
    coverage.finish()
    assert list(coverage.faults) == []
    assert (coverage.compared, coverage.untrue) == (8, 2)
    coverage = Coverage(TOPIC, 1, low=0, end=4, judged=map(_judged, range(4)))
    for offset, value in ((0, 0), (2, 100), (1, 100), (2, 100), (3, 3)):
        coverage.take(offset, digest(value))
    coverage.finish()
    assert [(each.kind, each.place.offset) for each in coverage.faults] == [("NoDecision", 1), ("Altered", 2)]


def test_a_broker_is_asked_for_no_more_accusations_than_are_told() -> None:
    asked = list[int]()

    def has_record(offset: int) -> bool:
        asked.append(offset)
        return True

    coverage = Coverage(TOPIC, 1, low=0, end=1_000, judged=iter([_judged(0)]), has_record=has_record)
    for offset in range(1_000):
        coverage.take(offset, digest(offset))
    assert (coverage.compared, coverage.faults.count, asked) == (1, 999, [*range(1, MOST_TOLD + 1)])


def test_a_decision_that_was_changed_is_found() -> None:
    found = compare([0, 1, 2], [0, 1, 2], altered=frozenset({1}))
    assert found.compared == 2
    assert [(fault.kind, fault.place) for fault in found.faults] == [("Altered", Place(TOPIC, 1, 1))]


def test_what_retention_has_deleted_is_counted_and_no_fault() -> None:
    found = compare([0, 1, 5, 6], [5, 6], low=4)
    assert (found.start, found.deleted, found.compared, found.faults.count) == (4, 2, 2, 0)


def test_where_nothing_is_left_nothing_needs_to_be_read() -> None:
    found = compare([0, 1], [], low=10)
    assert (found.start, found.deleted, found.faults.count) == (10, 2, 0)


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)), st.integers(0, 30))
def test_every_difference_is_found_once(judged: set[int], decisions: set[int], end: int) -> None:
    found = compare(sorted(judged), sorted(decisions), end=end)
    first = min(judged, default=end)
    expected = {("NotAudited", at) for at in decisions - judged if first <= at < end}
    expected |= {("NoDecision", at) for at in judged - decisions if at < end}
    assert {(fault.kind, fault.place.offset) for fault in found.faults} == expected
    assert found.compared == len({at for at in judged & decisions if at < end})
