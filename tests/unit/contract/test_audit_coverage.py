"""Whether every committed decision has its audit record: two orders of the same offsets, compared as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract.audit_coverage import Coverage, JudgedDecision
from streamwarden_contract.audit_faults import Place

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
) -> Coverage:
    coverage = Coverage(TOPIC, 1, low=low, end=end, judged=map(_judged, judged))
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
