"""Batches that brokers take and a client says nothing of: it cannot parse them, and asks for them for ever."""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Message
from streamwarden_gate import membership
from streamwarden_gate.membership import KafkaMembership
from streamwarden_gate.ports import Batch, Unreadable
from streamwarden_gate.reasons import RefusalReason
from streamwarden_kafka import silence
from streamwarden_kafka.connection import Connection
from support.mock_broker import mock_broker
from support.raw_records import UNPARSED, Fields, RawRecord, RawWriter, batch_of, encode_batch, encode_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from confluent_kafka import TopicPartition
    from streamwarden_gate.ports import Item

pytestmark = pytest.mark.slow
TOPIC = "risk.guard.decisions"
LIMIT_S = 30.0
SECOND = b"\x10\0\0\x02\x09\x04{}\0"
"""``UNPARSED`` as the second of its batch."""
GOOD = RawRecord(b"k", b"good")
ONE_GOOD_ONE_NOT = encode_batch(encode_record(GOOD, 0) + SECOND, Fields(last_offset_delta=1, records=2))


@pytest.fixture
def settings() -> Iterator[dict[str, str]]:
    with mock_broker(TOPIC) as found:
        yield found


@pytest.fixture
def member(settings: dict[str, str]) -> Iterator[KafkaMembership]:
    made = KafkaMembership(Connection.of(settings), "risk.guard.gate", TOPIC)
    yield made
    made.close()


def write(settings: dict[str, str], *batches: bytes) -> None:
    with RawWriter(settings) as writer:
        assert [writer.write(TOPIC, 0, batch).code for batch in batches] == [0] * len(batches)


def told(items: Sequence[Item]) -> list[Any]:
    return [str(each.message) if isinstance(each, Unreadable) else each.offset for each in items]


CANNOT = "decision partition 0: the batch at offset {} cannot be parsed"


@pytest.mark.parametrize(
    ("batches", "position", "expected"),
    [
        pytest.param([encode_batch(UNPARSED, Fields())], 0, [CANNOT.format(0)], id="alone"),
        pytest.param(
            [encode_batch(gzip.compress(UNPARSED), Fields(attributes=1))], 0, [CANNOT.format(0)], id="compressed"
        ),
        pytest.param([ONE_GOOD_ONE_NOT], 0, [0], id="what-comes-before-it-is-judged-first"),
        pytest.param([ONE_GOOD_ONE_NOT], 1, [CANNOT.format(1)], id="behind-what-was-judged"),
        pytest.param([batch_of([GOOD] * 3)], 0, [0, 1, 2], id="a-good-one-is-none"),
        pytest.param([], 0, [0], id="an-end-is-none"),
    ],
)
def test_who_reads_a_batch_alone_knows_that_it_cannot_be_parsed(
    settings: dict[str, str], member: KafkaMembership, batches: Sequence[bytes], position: int, expected: list[Any]
) -> None:
    write(settings, *batches)
    began_s = time.monotonic()
    assert told(member.receive_alone(0, position, lambda _: None)) == expected
    assert time.monotonic() - began_s < 5, "it is known, not waited for"


class Cutting:
    """A client that gets a batch cut off behind much that was aborted, and whole where it begins with it."""

    def __init__(self, settings: Mapping[str, Any], whole_from: int, *, parses: bool) -> None:
        self._tell, self._whole_from, self._parses = settings["stats_cb"], whole_from, parses
        self._from = -1

    def assign(self, places: Sequence[TopicPartition]) -> None:
        [place] = places
        self._from = place.offset

    def poll(self, _timeout_s: float) -> Message | None:
        if self._parses and self._from >= self._whole_from:
            return Message(TOPIC, 0, self._whole_from, key=b"k", value=b"good", timestamp=(1, 0))
        self._tell(json.dumps({"brokers": {"1": {"rxpartial": 1}}}))
        return None

    def consume(self, _most: int, *, timeout: float) -> list[Message]:
        assert timeout == 0
        return []

    def get_watermark_offsets(self, *_: object, cached: bool = False) -> tuple[int, int]:
        assert cached
        return 0, 100

    def close(self) -> None:
        """Nothing to do."""


@pytest.mark.parametrize(
    ("parses", "expected"),
    [
        pytest.param("whole", [30], id="a-good-one-is-judged"),
        pytest.param("never", [CANNOT.format(7)], id="another-one-is-told"),
    ],
)
def test_a_batch_that_was_cut_off_behind_an_aborted_transaction_is_read_again_by_itself(
    member: KafkaMembership, monkeypatch: pytest.MonkeyPatch, parses: str, expected: list[Any]
) -> None:
    monkeypatch.setattr(
        membership,
        "decision_consumer",
        lambda _connection, _group, settings: Cutting(settings, 30, parses=parses == "whole"),
    )
    monkeypatch.setattr(member, "batch_at", lambda *_: Batch(30, 31, "0" * 64, 0))
    assert told(member.receive_alone(0, 7, lambda _: None)) == expected


def receive_until_told(member: KafkaMembership) -> list[Any]:
    until_s = time.monotonic() + LIMIT_S
    found: list[Item] = []
    while not any(isinstance(each, Unreadable) for each in found) and time.monotonic() < until_s:
        found += member.receive(100, 0.02)
    assert [each.reason for each in found if isinstance(each, Unreadable)] == [RefusalReason.UNREADABLE_PARTITION]
    return told(found)


def fetch_all(member: KafkaMembership, position: int) -> None:
    until_s = time.monotonic() + LIMIT_S
    while 0 not in member.owned and time.monotonic() < until_s:
        member.receive(1, 0.02)
    member.fetch_from({0: position})


def test_a_partition_that_is_silent_though_its_log_goes_on_is_told(
    settings: dict[str, str], member: KafkaMembership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "LONGEST_S", 0.5)
    write(settings, batch_of([GOOD]), encode_batch(UNPARSED, Fields()), batch_of([GOOD]))
    fetch_all(member, 0)
    assert receive_until_told(member) == [
        0,
        "decision partition 0: the client says nothing of the batch at offset 1",
    ]


def test_a_partition_without_anything_new_is_not(
    settings: dict[str, str], member: KafkaMembership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "LONGEST_S", 0.1)
    write(settings, batch_of([GOOD]))
    fetch_all(member, 0)
    until_s = time.monotonic() + 2
    found: list[Item] = []
    while time.monotonic() < until_s:
        found += member.receive(100, 0.02)
    assert told(found) == [0, 1]
