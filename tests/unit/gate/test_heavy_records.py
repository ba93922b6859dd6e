"""Records of a few bytes that take much memory once they are read: by their headers, each some objects."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_gate import membership
from streamwarden_gate.membership import KafkaMembership
from streamwarden_gate.records import Record
from streamwarden_kafka.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Sequence

MANY = [("aa", b"bb")] * 50_000
"""A third of a megabyte on the wire, and ten in memory."""
COUNT = 60


class Heavy:
    """A client that has fetched a batch of records with these headers."""

    def __init__(self, headers: Sequence[tuple[str, bytes]]) -> None:
        self.given_out = 0
        self._headers = headers

    def assign(self, _partitions: object) -> None:
        """It has what it has."""

    def close(self) -> None:
        """Nothing to do."""

    def poll(self, _timeout_s: float) -> Any:
        return self._next()

    def consume(self, most: int, *, timeout: float) -> list[Any]:
        assert timeout == 0
        return [self._next() for _ in range(min(most, COUNT - self.given_out))]

    def get_watermark_offsets(self, *_: object, cached: bool = False) -> tuple[int, int]:
        assert cached
        return 0, COUNT

    def _next(self) -> Any:
        offset, self.given_out = self.given_out, self.given_out + 1
        parts: dict[str, object] = {"offset": offset, "partition": 0, "error": None, "key": b"page-1", "value": b"{}"}
        parts |= {"headers": list(self._headers), "timestamp": (1, 0)}
        return SimpleNamespace(**{name: lambda part=part: part for name, part in parts.items()})


@pytest.fixture
def member(monkeypatch: pytest.MonkeyPatch) -> KafkaMembership:
    monkeypatch.setattr(membership, "GroupMember", lambda *_: SimpleNamespace(fetch_from=lambda _: None))
    return KafkaMembership(Connection("nowhere:1"), "gate", "decisions")


def read_alone(member: KafkaMembership, monkeypatch: pytest.MonkeyPatch, client: Heavy, last: int = COUNT) -> list[int]:
    """Return the offsets that are read, and tell that nothing behind ``last`` is to be."""
    monkeypatch.setattr(membership, "decision_consumer", lambda *_: client)
    found = member.receive_alone(0, 0, lambda next_: next_ > last)
    return [each.offset for each in found if isinstance(each, Record)]


@pytest.mark.parametrize(
    ("headers", "read", "given_out"),
    [
        pytest.param((), COUNT, COUNT, id="without-any"),
        pytest.param(MANY[:8], COUNT, COUNT, id="as-many-as-decisions-have"),
        pytest.param(MANY[:10_000], 5, 11, id="with-ten-thousand-headers"),
        pytest.param(MANY, 1, 1, id="with-fifty-thousand-headers"),
    ],
)
def test_x07_what_is_read_alone_takes_no_more_memory_than_a_few_megabytes(
    member: KafkaMembership,
    monkeypatch: pytest.MonkeyPatch,
    headers: Sequence[tuple[str, bytes]],
    read: int,
    given_out: int,
) -> None:
    client = Heavy(headers)
    assert read_alone(member, monkeypatch, client) == list(range(read))
    assert client.given_out == given_out


def test_x07_nothing_more_is_read_behind_where_the_reader_is_told_to_stop(
    member: KafkaMembership, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Heavy(())
    assert read_alone(member, monkeypatch, client, last=2) == [0, 1, 2]
