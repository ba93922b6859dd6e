"""The header of a batch behind more than is passed over at once: each try goes on from where the last one came to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from streamwarden_gate import membership
from streamwarden_gate.errors import AbortedError
from streamwarden_gate.membership import KafkaMembership
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError, NotReachedError
from streamwarden_kafka.wire import batches, raw

if TYPE_CHECKING:
    from streamwarden_kafka.wire.raw import RawBatch

FOUND = raw.RawBatch(batches.Batch(70, 72, 3, -1, transactional=False, control=False, size=61, timestamp_ms=5), b"")


def test_a_search_goes_on_and_begins_anew_for_another_position(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    answers: list[RawBatch | Exception] = [
        NotReachedError("far", 30),
        NotReachedError("far", 60),
        FOUND,
        NotReachedError("far", 40),
        BrokerUnavailableError("away"),
        FOUND,
    ]

    def fetch(_connection: Connection, _client_id: str, _topic: str, _partition: int, offset: int) -> RawBatch:
        asked.append(offset)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(raw, "fetch_batch", fetch)
    monkeypatch.setattr(membership, "GroupMember", lambda *_: SimpleNamespace())
    member = KafkaMembership(Connection("nowhere:1"), "gate", "decisions")
    for _ in range(2):
        with pytest.raises(AbortedError, match="decision partition 0 at offset 7: far"):
            member.batch_at(0, 7)
    assert member.batch_at(0, 7)[:2] == (70, 72)
    for _ in range(2):
        with pytest.raises(AbortedError):
            member.batch_at(0, 7)
    assert member.batch_at(0, 8)[:2] == (70, 72)
    assert asked == [7, 30, 60, 7, 40, 8]
