"""Offsets that records give inside their log: what is not in order, or not in its batch, is not judged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from streamwarden_gate import membership
from streamwarden_gate.errors import AbortedError
from streamwarden_gate.membership import KafkaMembership
from streamwarden_gate.offsets import USUAL_GAP, Offsets
from streamwarden_gate.ports import Batch, End, Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.records import Record
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.membership import ask_watermarks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_gate.ports import Item


def at(offset: int, partition: int = 0) -> Record:
    return Record(b"page-1", b"{}", [], partition, offset, 0)


MARKERS = 2
"""In a row, at most."""
BATCHES = [(0, 0), (1, 1), (2, 2), (10, 14), (20, 20)]
"""First and last offsets of what the log holds; between them lie markers."""


def batch_at(_number: int, position: int) -> Batch:
    first, last = next(each for each in BATCHES if each[1] >= position)
    return Batch(first, last, "0" * 64, 0)


def places(items: Sequence[Item]) -> list[Any]:
    return ["unreadable" if isinstance(each, Unreadable) else each.offset for each in items]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param([0, 1, 2], [0, 1, 2], id="in-order"),
        pytest.param([0, 2], [0, 2], id="a-marker-between"),
        pytest.param(
            [0, 1, 2, 10, 11, 12, 13, 14, 20], [0, 1, 2, 10, 11, 12, 13, 14, 20], id="behind-an-aborted-transaction"
        ),
        pytest.param([0, 0, 0], ["unreadable"], id="all-say-the-same"),
        pytest.param([0, 1, 0], ["unreadable"], id="one-says-an-earlier-one"),
        pytest.param([0, 2, 1, 2], [0, "unreadable"], id="one-says-a-later-one-and-the-later-ones-come-too"),
        pytest.param([0, 5], [0, "unreadable"], id="one-says-a-later-one-outside-its-batch"),
        pytest.param([0, 1, 2, 14, 11, 12], [0, 1, 2, "unreadable"], id="disorder-inside-a-batch"),
    ],
)
def test_a_partition_is_read_as_far_as_its_records_are_in_order(given: list[int], kept: list[Any]) -> None:
    found = Offsets({0: 0}, batch_at, MARKERS).check([at(offset) for offset in given])
    assert places(found) == kept


def test_other_partitions_and_later_polls_are_checked_for_themselves() -> None:
    offsets = Offsets({0: 0, 1: 7}, batch_at, MARKERS)
    assert places(offsets.check([at(0), at(7, 1), at(1), at(1), End(0, 3), at(8, 1)])) == [
        0,
        7,
        "unreadable",
        8,
    ]
    assert places(offsets.check([at(8, 1), End(1, 9)])) == ["unreadable"]


def test_an_end_behind_what_is_doubted_is_doubted_too() -> None:
    found = Offsets({0: 0}, batch_at, MARKERS).check([at(0), End(0, 1), at(1), End(0, 2), at(1)])
    assert places(found) == [0, 1, "unreadable"]


class Message:
    """A record as the client gives it."""

    def __init__(self, offset: int) -> None:
        self.offset, self.partition = (lambda: offset), (lambda: 0)
        self.error, self.headers = (lambda: None), list
        self.key, self.value, self.timestamp = (lambda: b"page-1"), (lambda: b"{}"), (lambda: (1, 0))


class Consumer:
    """Has fetched these offsets, at once."""

    def __init__(self, *offsets: int) -> None:
        self._messages: list[Any] = [Message(offset) for offset in offsets]

    def assign(self, _partitions: object) -> None:
        """It has what it has."""

    def close(self) -> None:
        """Nothing to do."""

    def poll(self, _timeout_s: float) -> Any:
        return self._messages.pop(0)

    def consume(self, _most: int, *, timeout: float) -> list[Any]:
        assert timeout == 0
        return self._messages

    def get_watermark_offsets(
        self,
        *_: object,
        cached: bool = False,  # noqa: ARG002  # the brokers say the same
    ) -> tuple[int, int]:
        return 0, 21


@pytest.fixture
def member(monkeypatch: pytest.MonkeyPatch) -> KafkaMembership:
    monkeypatch.setattr(membership, "GroupMember", lambda *_: SimpleNamespace(fetch_from=lambda _: None))
    made = KafkaMembership(Connection("nowhere:1"), "gate", "decisions")
    monkeypatch.setattr(made, "batch_at", batch_at)
    monkeypatch.setattr(made, "_spans_at", lambda number, position: [batch_at(number, position)])
    return made


@pytest.mark.parametrize(
    ("fetched", "kept"),
    [
        pytest.param([1, 2], [1, 2], id="in-order"),
        pytest.param([2], ["unreadable"], id="the-next-one-says-it-is-a-later-one"),
        pytest.param([1, 1, 2], ["unreadable"], id="two-say-the-same"),
        pytest.param([1, 2, 2], [1], id="what-is-certain-is-judged-first"),
    ],
)
def test_who_reads_batch_by_batch_asks_for_the_header_at_any_gap(
    member: KafkaMembership, monkeypatch: pytest.MonkeyPatch, fetched: list[int], kept: list[Any]
) -> None:
    monkeypatch.setattr(membership, "decision_consumer", lambda *_: Consumer(*fetched))
    assert places(member.receive_alone(0, 1, lambda _: None)) == kept


class Refused:
    """What a client returns where the log does not have the position from which it would fetch."""

    def __init__(self) -> None:
        self.error, self.partition = (lambda: KafkaError(KafkaError._AUTO_OFFSET_RESET)), (lambda: 0)


@pytest.mark.parametrize(
    ("position", "told"),
    [
        pytest.param(7, [], id="the-log-has-it-again-and-nothing-is-passed-over"),
        pytest.param(21, [], id="at-the-end-nothing-is-passed-over-either"),
        pytest.param(22, [RefusalReason.OFFSETS_LOST], id="beyond-the-end-nobody-guesses"),
    ],
)
def test_a_position_that_was_refused_before_anything_was_read_blames_no_record(
    member: KafkaMembership, monkeypatch: pytest.MonkeyPatch, position: int, told: list[RefusalReason]
) -> None:
    client = Consumer()
    client.poll = lambda _timeout_s: Refused()  # type: ignore[method-assign]  # the same, but it has nothing
    monkeypatch.setattr(membership, "decision_consumer", lambda *_: client)
    found = member.receive_alone(0, position, lambda _: None)
    assert [each.reason for each in found if isinstance(each, Unreadable)] == told
    assert len(found) == len(told)


def test_where_nobody_says_where_the_log_ends_nothing_is_judged(
    member: KafkaMembership, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, cached: bool = False) -> tuple[int, int]:
        if cached:
            return -1001, -1001
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    client = Consumer(1, 2)
    client.get_watermark_offsets = unknown  # type: ignore[method-assign]  # the same, but nobody answers
    monkeypatch.setattr(membership, "decision_consumer", lambda *_: client)
    with pytest.raises(AbortedError, match="cannot read where decisions/0 ends: _TIMED_OUT"):
        member.receive_alone(0, 1, lambda _: None)
    monkeypatch.undo()
    member.member = SimpleNamespace(  # type: ignore[assignment]  # as much of one as is used
        poll=client.poll,
        drain=lambda most: client.consume(most, timeout=0),
        end_of=lambda at, _: ask_watermarks(client, at)[1],
    )
    with pytest.raises(AbortedError, match="cannot read where decisions/0 ends: _TIMED_OUT"):
        member.receive(100, 1)


@pytest.mark.parametrize(
    "fetched",
    [
        pytest.param([1, 5, 2], id="out-of-order"),
        pytest.param([1, 2 + USUAL_GAP + 1], id="outside-its-batch-behind-more-than-markers"),
    ],
)
def test_what_a_member_receives_is_checked_from_where_it_fetches(member: KafkaMembership, fetched: list[int]) -> None:
    member.fetch_from({0: 1})
    consumer = Consumer(*fetched)
    member.member = SimpleNamespace(  # type: ignore[assignment]  # as much of one as is used
        poll=consumer.poll, drain=lambda most: consumer.consume(most, timeout=0), end_of=lambda _at, _offset: 100
    )
    assert places(member.receive(100, 1)) == [1, "unreadable"]
