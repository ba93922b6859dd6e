"""Decisions are read round what nobody can decode, where a gate has skipped it: on a broker that keeps any bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.audit import reader as reading
from streamwarden_cli.audit.reader import AuditReader
from streamwarden_cli.audit.source import Log, StalledError
from streamwarden_kafka.connection import Connection
from support.mock_broker import mock_broker
from support.raw_records import UNPARSED, Fields, RawRecord, RawWriter, batch_of, encode_batch, encode_record
from support.wire_compression import ZSTD

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    encoded = b"".join(encode_record(RawRecord(b"k", b"lie"), delta) for delta in deltas)
    lying = encode_batch(encoded, Fields(last_offset_delta=len(deltas) - 1, records=len(deltas)))
    others = [batch_of([RawRecord(b"k", value)]) for value in (b"three", b"four")]
    found = read((2, 1 + len(deltas)), batches=[BATCHES[0], lying, *others], end=4 + len(deltas))
    assert found == [b"one", b"two", *before, b"three", b"four"]


@pytest.mark.slow
def test_what_no_client_can_parse_is_passed_over_where_it_was_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_SILENCE_S", 0.5)
    monkeypatch.setattr(reading, "_STALL_S", 5.0)
    batches = [BATCHES[0], encode_batch(UNPARSED, Fields()), BATCHES[-1]]
    assert read((2, 2), batches=batches, end=4) == [b"one", b"two", b"three"]
    assert read(batches=batches, end=4) == [b"one", b"two", b"{0: 2}"]
    assert read((3, 3), batches=batches, end=4) == [b"one", b"two", b"{0: 2}"]
