"""What the gate's transactions are fenced with, and what their errors mean for the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.audit import ChainHead
from streamwarden_gate.committer import KafkaCommitter
from streamwarden_gate.errors import AbortedError, FatalError, FencedError, IndefiniteError, OutputsRefusedError
from streamwarden_gate.partitions import Place
from streamwarden_kafka import errors
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import KafkaClientError, NotAMemberError
from streamwarden_kafka.records import Offset, Write
from streamwarden_kafka.transactions import TransactionalProducer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEAD = ChainHead(4, "ab" * 32, 1, 1)
WRITES = [Write("out", b"k", b"v", [])]


class Begun:
    """A transaction that ends as the test says."""

    def __init__(self, ending: KafkaClientError | None) -> None:
        self._ending = ending

    def finish(self) -> None:
        if self._ending is not None:
            raise self._ending


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Sequence[Write], Sequence[Offset], object]]:
    """What the producer was asked to write, with which membership."""
    asked: list[tuple[Sequence[Write], Sequence[Offset], object]] = []

    def begin(_self: object, writes: Sequence[Write], offsets: Sequence[Offset], group: object) -> Begun:
        asked.append((writes, offsets, group))
        return Begun(None)

    monkeypatch.setattr(TransactionalProducer, "begin", begin)
    return asked


def test_places_are_offsets_with_the_chain_s_head_fenced_with_the_assignment(
    begun: list[tuple[Sequence[Write], Sequence[Offset], object]],
) -> None:
    committer = KafkaCommitter(Connection(""), "id", "in", lambda: "of the assignment")
    committer.begin(WRITES, {2: Place(9, HEAD, "topic-id")}).finish()
    assert begun == [(WRITES, [Offset("in", 2, 9, HEAD.metadata("topic-id", 9))], "of the assignment")]


def nobody() -> object:
    raise NotAMemberError("this process is no member of its group now")


@pytest.mark.parametrize("membership", [pytest.param(nobody, id="X10-nothing-is-begun-by-who-is-no-member")])
def test_who_is_no_member_goes_back_to_the_last_commit(
    begun: list[tuple[Sequence[Write], Sequence[Offset], object]], membership: Callable[[], object]
) -> None:
    committer = KafkaCommitter(Connection(""), "id", "in", membership)
    with pytest.raises(AbortedError, match="no member of its group"):
        committer.begin(WRITES, {2: Place(9, HEAD, "topic-id")})
    assert begun == []


@pytest.mark.parametrize(
    ("ending", "meaning"),
    [
        pytest.param(errors.TransactionAbortedError("x"), AbortedError, id="aborted-is-repeated"),
        pytest.param(errors.TransactionUnknownError("x"), IndefiniteError, id="unknown-is-read-again"),
        pytest.param(errors.BrokerUnavailableError("x"), IndefiniteError, id="no-broker-is-read-again"),
        pytest.param(errors.ProducerFencedError("x", certain=True), FencedError, id="fenced-ends"),
        pytest.param(
            errors.ProducerFencedError("x", certain=False), IndefiniteError, id="fenced-for-its-age-begins-anew"
        ),
        pytest.param(errors.ProducerFailedError("x"), FatalError, id="a-failed-producer-ends"),
        pytest.param(
            errors.RecordRefusedError("x", code="X"), OutputsRefusedError, id="a-refused-record-is-looked-for"
        ),
    ],
)
def test_what_an_ending_means(
    monkeypatch: pytest.MonkeyPatch, ending: KafkaClientError, meaning: type[Exception]
) -> None:
    monkeypatch.setattr(TransactionalProducer, "begin", lambda *_: Begun(ending))
    committer = KafkaCommitter(Connection(""), "id", "in", lambda: "member")
    with pytest.raises(meaning) as told:
        committer.begin(WRITES, {}).finish()
    assert type(told.value) is meaning
