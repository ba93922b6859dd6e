"""Looks at partitions of which nothing is heard: bounded, and not put off for ever."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_gate import membership
from streamwarden_gate.membership import KafkaMembership
from streamwarden_gate.ports import Unreadable
from streamwarden_kafka import silence
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.wire import raw
from streamwarden_kafka.wire.batches import Batch

if TYPE_CHECKING:
    from collections.abc import Mapping


class SilentMember:
    """A consumer that gives nothing."""

    def __init__(self, ends: Mapping[int, int]) -> None:
        self._ends = ends

    def poll(self, _timeout_s: float) -> None:
        """Nothing."""

    def fetch_from(self, _positions: Mapping[tuple[str, int], int]) -> None:
        """Nothing."""

    def known_end(self, at: tuple[str, int]) -> int:
        return self._ends.get(at[1], -1001)

    def end_of(self, at: tuple[str, int], _offset: int) -> int:
        raise AssertionError(f"{at} is not asked for: it may take ten seconds")


class Clock:
    """In seconds, as a test says."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(membership, "time", made)
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float | None]]:
    """Partitions whose header was asked for, which nobody answers, and for how long."""
    found: list[tuple[int, float | None]] = []

    def fetch(*wanted: Any, timeout_s: float | None = None) -> None:
        found.append((wanted[3], timeout_s))
        raise BrokerUnavailableError("no leader")

    monkeypatch.setattr(raw, "fetch_headers", fetch)
    return found


def member_of(monkeypatch: pytest.MonkeyPatch, ends: Mapping[int, int]) -> KafkaMembership:
    monkeypatch.setattr(membership, "GroupMember", lambda *_: SilentMember(ends))
    return KafkaMembership(Connection("nowhere:1"), "gate", "decisions")


def test_partitions_without_a_leader_are_looked_at_one_a_poll_and_for_a_second(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, asked: list[tuple[int, float | None]]
) -> None:
    member = member_of(monkeypatch, dict.fromkeys(range(12), 6))
    member.fetch_from(dict.fromkeys(range(12), 5))
    clock.now_s += silence.LONGEST_S
    for polls in range(1, 13):
        assert list(member.receive(100, 0.02)) == []
        assert asked == [(number, 1.0) for number in range(polls)]
    member.receive(100, 0.02)
    assert len(asked) == 12


def test_whose_end_is_not_known_or_reached_is_no_suspect(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, asked: list[tuple[int, float | None]]
) -> None:
    member = member_of(monkeypatch, {1: 5, 2: 6})
    member.fetch_from({0: 5, 1: 5, 2: 5})
    clock.now_s += silence.LONGEST_S
    for _ in range(3):
        member.receive(100, 0.02)
    assert asked == [(2, 1.0)]


def test_a_gate_that_fetches_all_anew_each_second_finds_what_is_silent(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(raw, "fetch_headers", lambda *_, **__: [raw_header(5)])
    member = member_of(monkeypatch, {0: 1000, 1: 6})
    found: list[Any] = []
    for second in range(int(silence.LONGEST_S) + 1):
        assert found == []
        member.fetch_from({0: second, 1: 5})
        found += member.receive(100, 0.02)
        clock.now_s += 1
    assert [(each.partition, type(each)) for each in found] == [(1, Unreadable)]


def raw_header(offset: int) -> Batch:
    return Batch(offset, offset, 1, -1, transactional=False, control=False, size=61, timestamp_ms=0)


def test_no_header_is_waited_for_longer_than_one_says(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(raw, "_fetch", never)
    began_s = time.monotonic()
    with pytest.raises(BrokerUnavailableError, match=r"^decisions/3: no answer within 0\.01 s$"):
        raw.fetch_headers(Connection("nowhere:1"), "gate", "decisions", 3, 7, timeout_s=0.01)
    assert time.monotonic() - began_s < 5
