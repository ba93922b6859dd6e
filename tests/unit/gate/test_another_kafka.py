"""A mirrored Kafka must not command twice: no offsets of another cluster than the first are taken."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from streamwarden_gate import membership
from streamwarden_gate.errors import AbortedError
from streamwarden_gate.membership import KafkaMembership
from streamwarden_kafka.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Iterable


class Member:
    """A member of the group, of whichever Kafka answers."""

    def __init__(self) -> None:
        self.answers = "first"

    def cluster_id(self) -> str:
        return self.answers

    def committed(self, partitions: Iterable[tuple[str, int]]) -> list[SimpleNamespace]:
        return [SimpleNamespace(partition=number, offset=7, metadata="of a mirror, too") for _, number in partitions]


def test_offsets_are_taken_of_the_kafka_that_the_gate_began_with_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    member = Member()
    monkeypatch.setattr(membership, "GroupMember", lambda *_: member)
    gate = KafkaMembership(Connection("nowhere:1"), "gate", "decisions")
    assert [found.offset for found in gate.committed([0, 1])] == [7, 7]
    member.answers = "its mirror"
    with pytest.raises(AbortedError, match="answers now is 'its mirror', and this gate began with 'first'"):
        gate.committed([0])
    member.answers = "first"
    assert [found.offset for found in gate.committed([0])] == [7]
