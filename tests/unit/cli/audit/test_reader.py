"""Decisions are read round what nobody can decode, where a gate has skipped it: on a broker that keeps any bytes."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, KafkaException
from streamwarden_cli.audit import reader as reading
from streamwarden_cli.audit.reader import AuditReader
from streamwarden_cli.audit.source import AuditReadError, ForbiddenError, Log, StalledError
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import NotReachedError
from support.gate_world import eventually
from support.mock_broker import mock_broker
from support.raw_records import UNPARSED, Fields, RawRecord, RawWriter, batch_of, encode_batch, encode_record
from support.wire_compression import ZSTD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import TopicPartition

TOPIC = "risk.guard.decisions"
BROKEN = encode_batch(b"no zstd at all", Fields(attributes=ZSTD))
BATCHES = (
    batch_of([RawRecord(b"k", b"one"), RawRecord(b"k", b"two")]),
    BROKEN,
    BROKEN,
    batch_of([RawRecord(b"k", b"three")]),
)
END = 5


def read(*skipped: tuple[int, int], batches: Sequence[bytes] = BATCHES, end: int = END) -> list[bytes | None]:
    with mock_broker(TOPIC) as properties:
        with RawWriter(properties) as writer:
            for batch in batches:
                assert writer.write(TOPIC, 0, batch).code == 0
        reader, found = AuditReader(Connection.of(properties)), list[bytes | None]()
        try:
            for records in reader.read(TOPIC, [Log(0, 0, end, skipped)]):
                found += [record.value for record in records]
        except StalledError as stalled:
            found.append(str(stalled.partitions).encode())
        finally:
            reader.close()
    return found


def lying(*deltas: int) -> bytes:
    """Return a batch whose records give these offsets, counted from its own."""
    encoded = b"".join(encode_record(RawRecord(b"k", b"lie"), delta) for delta in deltas)
    return encode_batch(encoded, Fields(last_offset_delta=len(deltas) - 1, records=len(deltas)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "skipped",
    [pytest.param([(2, 2), (3, 3)], id="batch-by-batch"), pytest.param([(2, 3)], id="X11-at-once-as-people-asked")],
)
def test_what_was_skipped_is_passed_over_and_what_follows_is_read(skipped: list[tuple[int, int]]) -> None:
    assert read(*skipped) == [b"one", b"two", b"three"]


@pytest.mark.slow
def test_what_nobody_has_skipped_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_STALL_S", 0.5)
    assert read() == [b"one", b"two", b"{0: 2}"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deltas", "before"),
    [
        pytest.param((1_000,), [], id="far-beyond-the-end"),
        pytest.param((1,), [], id="that-of-the-next-one"),
        pytest.param((0, 2), [b"lie"], id="that-of-the-next-one-behind-a-true-one"),
        pytest.param((0, 1_000), [b"lie"], id="far-beyond-the-end-behind-a-true-one"),
    ],
)
def test_a_skipped_record_that_gives_another_offset_hides_none_that_follow(
    deltas: Sequence[int], before: list[bytes]
) -> None:
    others = [batch_of([RawRecord(b"k", value)]) for value in (b"three", b"four")]
    found = read((2, 1 + len(deltas)), batches=[BATCHES[0], lying(*deltas), *others], end=4 + len(deltas))
    assert found == [b"one", b"two", *before, b"three", b"four"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deltas", "skipped", "before"),
    [
        pytest.param((-1,), [(2, 2)], [], id="of-the-record-before"),
        pytest.param((0, 0), [(2, 3)], [b"lie"], id="the-same-twice"),
        pytest.param((1, 0), [(2, 3)], [b"lie"], id="in-another-order"),
        pytest.param((0, 2, 1), [(2, 4)], [b"lie", b"lie"], id="in-another-order-behind-a-true-one"),
        pytest.param((0, -2), [(2, 2), (3, 3)], [b"lie"], id="far-before-and-skipped-by-itself"),
    ],
)
def test_a_skipped_record_that_gives_a_lower_offset_is_passed_over_with_its_range(
    deltas: Sequence[int], skipped: list[tuple[int, int]], before: list[bytes]
) -> None:
    others = [batch_of([RawRecord(b"k", value)]) for value in (b"three", b"four")]
    found = read(*skipped, batches=[BATCHES[0], lying(*deltas), *others], end=4 + len(deltas))
    assert found == [b"one", b"two", *before, b"three", b"four"]


@dataclass(frozen=True)
class Message:
    """What a client gives of a record, or tells in its place."""

    number: int
    given: int
    code: int = 0

    def error(self) -> KafkaError | None:
        return KafkaError(self.code) if self.code else None

    def partition(self) -> int:
        return self.number

    def offset(self) -> int:
        return self.given

    def key(self) -> bytes:
        return b"k"

    def value(self) -> bytes:
        return b"v"


class Script:
    """A client that gives what is written here, and notes from where it was to read."""

    def __init__(self, *messages: list[Message]) -> None:
        self._messages = list(messages)
        self.assigned: list[dict[int, int]] = []

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        self.assigned.append({each.partition: each.offset for each in partitions})

    def consume(self, _most: int, _timeout_s: float) -> list[Message]:
        return self._messages.pop(0)

    def close(self) -> None:
        assert self._messages == []


@pytest.mark.slow
def test_a_record_that_gives_an_offset_behind_the_end_hides_nothing_though_nobody_has_skipped_it() -> None:
    """A gate that reads record by record has judged the first two of such a batch, and never met the third."""
    after = batch_of([RawRecord(b"k", b"four"), RawRecord(b"k", b"five")])
    batches = (BATCHES[0], lying(0, 2, 1_000), after)
    assert read(batches=batches, end=7) == [b"one", b"two", b"lie", b"lie", b"four", b"five"]


@pytest.mark.slow
@pytest.mark.parametrize("given", [pytest.param(1_000, id="far-beyond"), pytest.param(5, id="its-own-offset")])
def test_such_a_record_hides_nothing_before_a_range_that_was_skipped_later(given: int) -> None:
    after = batch_of([RawRecord(b"k", b"four"), RawRecord(b"k", b"five")])
    batches = (BATCHES[0], lying(0, 2, given), after, BROKEN, BATCHES[-1])
    assert read((7, 7), batches=batches, end=9) == [b"one", b"two", b"lie", b"lie", b"four", b"five", b"three"]


def test_a_record_that_gives_the_offset_of_the_last_one_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Script([Message(0, 0), Message(0, 3)], [Message(0, 1), Message(0, 2), Message(0, 3)])
    monkeypatch.setattr(AuditReader, "_open_reading", lambda _reader, **_: client)
    monkeypatch.setattr(AuditReader, "_begin_of_next", lambda _reader, _topic, _partition, offset: offset)
    reader = AuditReader(Connection.of({"bootstrap.servers": "127.0.0.1:1"}))
    found = [each.offset for records in reader.read(TOPIC, [Log(0, 0, 4)]) for each in records]
    reader.close()
    assert found == [0, 1, 2, 3]
    assert client.assigned == [{0: 0}, {0: 1}]


@pytest.mark.slow
def test_what_was_written_since_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_STALL_S", 5)
    batches = (BATCHES[0], batch_of([RawRecord(b"k", b"since")]))
    assert read(batches=batches, end=2) == [b"one", b"two"]


def test_a_record_that_gives_a_lower_offset_leads_nobody_back(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Script(
        [Message(0, 0), Message(0, 2), Message(0, 1), Message(1, 4), Message(1, 6)], [Message(0, 3), Message(1, 6)]
    )
    monkeypatch.setattr(AuditReader, "_open_reading", lambda _reader, **_: client)
    reader = AuditReader(Connection.of({"bootstrap.servers": "127.0.0.1:1"}))
    logs = [Log(0, 0, 4), Log(1, 4, 7, ((5, 5),))]
    found = [(each.partition, each.offset) for records in reader.read(TOPIC, logs) for each in records]
    reader.close()
    assert found == [(0, 0), (0, 2), (0, 1), (1, 4), (0, 3), (1, 6)]
    assert client.assigned == [{0: 0, 1: 4}, {0: 3, 1: 6}]


@pytest.mark.parametrize(
    ("code", "given", "again"),
    [
        pytest.param(KafkaError._AUTO_OFFSET_RESET, 1_001, [{0: 2}], id="that-a-position-is-gone"),
        pytest.param(KafkaError._BAD_COMPRESSION, 1, [], id="that-a-batch-cannot-be-decompressed"),
    ],
)
def test_what_comes_late_of_a_range_that_was_passed_over_hides_nothing_before_the_next_one(
    monkeypatch: pytest.MonkeyPatch, code: int, given: int, again: list[dict[int, int]]
) -> None:
    late = Message(0, given, code)
    client = Script(
        [Message(0, 0), Message(0, 1_000)], [late], [Message(0, 2), Message(0, 3), Message(0, 4_000)], [Message(0, 5)]
    )
    monkeypatch.setattr(AuditReader, "_open_reading", lambda _reader, **_: client)
    monkeypatch.setattr(AuditReader, "_begin_of_next", lambda _reader, _topic, _partition, offset: offset)
    reader = AuditReader(Connection.of({"bootstrap.servers": "127.0.0.1:1"}))
    found = [each.offset for records in reader.read(TOPIC, [Log(0, 0, 6, ((1, 1), (4, 4)))]) for each in records]
    reader.close()
    assert found == [0, 2, 3, 5]
    assert client.assigned == [{0: 0}, {0: 2}, *again, {0: 5}]


def test_a_position_that_the_log_has_no_more_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Script([Message(0, 0), Message(0, 1, KafkaError._AUTO_OFFSET_RESET)])
    monkeypatch.setattr(AuditReader, "_open_reading", lambda _reader, **_: client)
    reader = AuditReader(Connection.of({"bootstrap.servers": "127.0.0.1:1"}))
    with pytest.raises(AuditReadError, match="records were deleted while they were read"):
        list(reader.read(TOPIC, [Log(0, 0, 6, ((4, 4),))]))
    reader.close()


@pytest.mark.slow
def test_whether_a_record_lies_at_an_offset_is_asked_of_its_batch_s_header() -> None:
    with mock_broker(TOPIC) as properties:
        with RawWriter(properties) as writer:
            for batch in (BATCHES[0], lying(-2)):
                assert writer.write(TOPIC, 0, batch).code == 0
        reader = AuditReader(Connection.of(properties))
        try:
            assert [reader.has_record(TOPIC, 0, offset) for offset in (0, 1, 2)] == [True, True, True]
            assert reader.has_record(TOPIC, 7, 0), "nobody answers for it"
        finally:
            reader.close()


@pytest.mark.slow
def test_what_no_client_can_parse_is_passed_over_where_it_was_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_SILENCE_S", 0.5)
    monkeypatch.setattr(reading, "_STALL_S", 5.0)
    batches = [BATCHES[0], encode_batch(UNPARSED, Fields()), BATCHES[-1]]
    assert read((2, 2), batches=batches, end=4) == [b"one", b"two", b"three"]
    assert read(batches=batches, end=4) == [b"one", b"two", b"{0: 2}"]
    assert read((3, 3), batches=batches, end=4) == [b"one", b"two", b"{0: 2}"]


def test_no_record_lies_where_a_search_has_found_but_aborted_ones_though_it_has_not_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def search(*_of: object) -> None:
        raise NotReachedError("no records up to offset 500 but of aborted transactions", 500)

    monkeypatch.setattr("streamwarden_kafka.wire.raw.fetch_headers", search)
    reader = AuditReader(Connection.of({"bootstrap.servers": "127.0.0.1:1"}))
    try:
        assert not reader.has_record(TOPIC, 0, 10), "an agent aborts as much as it likes: no gate is accused for it"
    finally:
        reader.close()


@pytest.mark.slow
def test_who_reaches_no_broker_is_told_which_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_TIMEOUT_S", 0.5)
    reader = AuditReader(Connection("127.0.0.1:1"))

    def is_told() -> bool:
        with pytest.raises(AuditReadError) as told:
            reader.topics()
        said = str(told.value)
        return said.startswith("list the topics: Kafka does not answer: ") and "127.0.0.1:1 failed: Conn" in said

    try:
        eventually(is_told, "which broker, and why")
    finally:
        reader.close()


FORBIDDEN = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))


@pytest.mark.parametrize(
    ("ends", "told", "words"),
    [
        pytest.param(None, AuditReadError, f"cannot read where {TOPIC}/0 ends", id="no-answer-in-time"),
        pytest.param((-1001, -1001), AuditReadError, f"cannot read where {TOPIC}/0 ends", id="an-error-that-was-lost"),
        pytest.param(FORBIDDEN, ForbiddenError, f"{TOPIC}: TOPIC_AUTHORIZATION_FAILED", id="no-right"),
    ],
)
def test_a_log_of_which_no_broker_says_where_it_ends_is_not_an_empty_one(
    ends: tuple[int, int] | KafkaException | None, told: type[AuditReadError], words: str
) -> None:
    """A verification found nothing to read there, and nothing wrong."""

    def answer(*_: object, **_named: object) -> tuple[int, int] | None:
        if isinstance(ends, KafkaException):
            raise ends
        return ends

    reader = AuditReader(Connection("127.0.0.1:1"))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reader, "_asking", SimpleNamespace(get_watermark_offsets=answer))
            with pytest.raises(told) as raised:
                reader._log_of(TOPIC, 0)
    finally:
        reader.close()
    assert (type(raised.value), str(raised.value)) == (told, words)
