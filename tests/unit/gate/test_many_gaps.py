"""Gaps between records, as many as an agent likes to leave: they cost few requests, and hold up no other partition."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_gate import membership
from streamwarden_gate.errors import AbortedError, PutOffError
from streamwarden_gate.membership import KafkaMembership
from streamwarden_gate.offsets import USUAL_GAP, Offsets
from streamwarden_gate.ports import End, Unreadable
from streamwarden_gate.records import Record
from streamwarden_gate.spans import MOST_REQUESTS, Span, Spans
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import NotReachedError
from streamwarden_kafka.wire import raw
from streamwarden_kafka.wire.batches import Batch as Header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamwarden_gate.ports import Item

GAP = USUAL_GAP + 1
RECORDS = [number * (GAP + 1) for number in range(200)]
"""Offsets of records of one partition, each behind a transaction that was aborted."""


def at(offset: int, partition: int = 0) -> Record:
    return Record(b"page-1", b"{}", [], partition, offset, 0)


def places(items: Sequence[Item]) -> list[Any]:
    return ["unreadable" if isinstance(each, Unreadable) else (each.partition, each.offset) for each in items]


class Log:
    """Tells of the next batches of a partition, so many at once."""

    def __init__(self, at_once: int) -> None:
        self.asked: list[tuple[int, int]] = []
        self._at_once = at_once

    def ask(self, number: int, position: int) -> list[Span]:
        self.asked.append((number, position))
        return [Span(offset, offset) for offset in RECORDS if offset >= position][: self._at_once]


def test_one_request_tells_of_many_batches() -> None:
    log = Log(at_once=150)
    spans = Spans(log.ask)
    assert [spans.at(0, offset) for offset in RECORDS] == [Span(offset, offset) for offset in RECORDS]
    assert log.asked == [(0, 0), (0, RECORDS[150])]


def test_of_each_partition_its_own_are_told() -> None:
    log = Log(at_once=2)
    spans = Spans(log.ask)
    assert [spans.at(number, 1) for number in (0, 1, 0)] == [Span(GAP + 1, GAP + 1)] * 3
    assert log.asked == [(0, 1), (1, 1)]


def test_what_would_need_more_requests_waits_for_the_next_poll() -> None:
    spans = Spans(Log(at_once=1).ask)
    spans.begin_poll()
    for offset in RECORDS[:MOST_REQUESTS]:
        spans.at(0, offset)
    with pytest.raises(PutOffError, match="decision partition 1 has many gaps"):
        spans.at(1, 0)
    assert spans.at(0, RECORDS[MOST_REQUESTS - 1]).first == RECORDS[MOST_REQUESTS - 1], "what is known needs none"
    spans.begin_poll()
    assert spans.at(1, 0) == Span(0, 0)


def test_a_partition_that_is_put_off_holds_up_no_other_and_is_read_on_from_its_place() -> None:
    def none_now(_number: int, _position: int) -> Span:
        raise PutOffError("later")

    offsets = Offsets({0: 0, 1: 5}, none_now, USUAL_GAP)
    found = offsets.check([at(0), at(1 + GAP), at(2 + GAP), at(5, 1), End(0, 3 + GAP), at(6, 1), End(1, 7)])
    assert places(found) == [(0, 0), (1, 5), (1, 6), (1, 7)]
    assert offsets.put_off
    assert offsets.positions == {0: 1, 1: 7}
    assert places(offsets.check([at(1)])) == [(0, 1)]
    assert not offsets.put_off


class Client:
    """A group's member that has fetched these records."""

    def __init__(self, *fetched: Record) -> None:
        self.assigned = {("decisions", 0), ("decisions", 1)}
        self.fetched_from: list[Mapping[tuple[str, int], int]] = []
        self._fetched = [_message(each) for each in fetched]

    def poll(self, _timeout_s: float) -> Any:
        return self._fetched.pop(0)

    def drain(self, _most: int) -> Any:
        return self._fetched

    def end_of(self, _at: object, _offset: int) -> int:
        return 1_000_000

    def fetch_from(self, positions: Mapping[tuple[str, int], int]) -> None:
        self.fetched_from.append(positions)


def _message(record: Record) -> Any:
    return SimpleNamespace(
        error=lambda: None,
        partition=lambda: record.partition,
        offset=lambda: record.offset,
        key=lambda: record.key,
        value=lambda: record.value,
        headers=list,
        timestamp=lambda: (1, 0),
    )


def member_of(monkeypatch: pytest.MonkeyPatch, client: Client, positions: Mapping[int, int]) -> KafkaMembership:
    monkeypatch.setattr(membership, "GroupMember", lambda *_: client)
    made = KafkaMembership(Connection("nowhere:1"), "gate", "decisions")
    made.fetch_from(positions)
    client.fetched_from.clear()
    return made


def header(offset: int) -> Header:
    return Header(offset, offset, 1, -1, transactional=False, control=False, size=61, timestamp_ms=0)


def test_a_member_asks_once_for_the_headers_behind_many_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def fetch(_connection: Connection, _client_id: str, _topic: str, _partition: int, offset: int) -> list[Header]:
        asked.append(offset)
        return [header(each) for each in RECORDS if each >= offset]

    monkeypatch.setattr(raw, "fetch_headers", fetch)
    client = Client(*(at(offset) for offset in RECORDS))
    member = member_of(monkeypatch, client, {0: 0})
    assert places(member.receive(1_000, 1)) == [(0, offset) for offset in RECORDS]
    assert (asked, client.fetched_from) == ([1], [])


def test_a_member_reads_on_where_it_was_put_off_and_only_what_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(_connection: Connection, _client_id: str, _topic: str, partition: int, offset: int) -> list[Header]:
        raise NotReachedError(f"far in {partition}", offset + 500)

    monkeypatch.setattr(raw, "fetch_headers", fetch)
    client = Client(at(0), at(2 * GAP), at(7, 1), at(8, 1), at(3, 2))
    member = member_of(monkeypatch, client, {0: 0, 1: 7, 2: 3})
    assert places(member.receive(1_000, 1)) == [(0, 0), (1, 7), (1, 8), (2, 3)]
    assert client.fetched_from == [{("decisions", 0): 1, ("decisions", 1): 9}]


def test_searches_in_two_partitions_take_nothing_from_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def fetch(_connection: Connection, _client_id: str, _topic: str, partition: int, offset: int) -> raw.RawBatch:
        asked.append((partition, offset))
        raise NotReachedError("far", offset + 500)

    monkeypatch.setattr(raw, "fetch_batch", fetch)
    member = member_of(monkeypatch, Client(), {})
    for number in (0, 1, 0, 1):
        with pytest.raises(AbortedError):
            member.batch_at(number, 7)
    assert asked == [(0, 7), (1, 7), (0, 507), (1, 507)]
