"""Offsets that a record cannot have: nothing of its partition is judged from there on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_gate.membership import as_far_as_true
from streamwarden_gate.ports import End, Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.records import Record

if TYPE_CHECKING:
    from streamwarden_gate.ports import Item


def at(partition: int, offset: int) -> Record:
    return Record(b"page-1", b"{}", [], partition, offset, 0)


def untrue(partition: int, offset: int, end: int) -> Unreadable:
    why = f"decision partition {partition}: a record gives the offset {offset}, and the log ends at {end}"
    return Unreadable(partition, RefusalReason.UNREADABLE_PARTITION, why)


@pytest.mark.parametrize(
    ("items", "kept"),
    [
        pytest.param([at(0, 8), at(0, 9), End(0, 10)], [at(0, 8), at(0, 9), End(0, 10)], id="all-are-in-the-log"),
        pytest.param([at(0, 8), at(0, 10), at(0, 9)], [at(0, 8), untrue(0, 10, 10)], id="at-the-end-is-beyond-it"),
        pytest.param(
            [at(0, 99), at(1, 99), at(0, 100), End(1, 100)],
            [untrue(0, 99, 10), at(1, 99), End(1, 100)],
            id="other-partitions-go-on",
        ),
        pytest.param(
            [at(0, 99), Unreadable(0, RefusalReason.OFFSETS_LOST, "gone")],
            [untrue(0, 99, 10)],
            id="where-the-client-was-led-to-is-not-believed",
        ),
    ],
)
def test_items_are_kept_as_far_as_they_are_true(items: list[Item], kept: list[Item]) -> None:
    assert as_far_as_true(items, {0: 10, 1: 100}) == kept
