"""What is made of a policy topic that may be anybody's; tests/integration/operator/test_policy_log.py has a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, KafkaException, Message
from streamwarden_contract.reasons import ConditionReason
from streamwarden_kafka.codes import DEADLY, END_OF_PARTITION
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_operator.adapters.kafka import anybodys_log
from streamwarden_operator.adapters.kafka.anybodys_log import AnybodysLog
from streamwarden_operator.adapters.kafka.errors import client_error
from streamwarden_operator.errors import KafkaForbiddenError, KafkaUnavailableError
from streamwarden_operator.ports import SignedRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

TOPIC = "risk.streamwarden.policies"
Ends = tuple[int, int] | KafkaException | None
UNKNOWN: list[Ends] = [None, (-1, -1), (-1001, -1001)]
"""What clients say in place of the ends of a log, where no broker has said them."""
FORBIDDEN = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))


def end(offset: int) -> Message:
    return Message(topic=TOPIC, partition=0, offset=offset, error=KafkaError(END_OF_PARTITION))


class Consumer:
    """Gives what is on a topic at once."""

    def __init__(self, messages: Iterable[Message], ends: Ends) -> None:
        self._messages, self._ends = list(messages), ends
        self.reads: list[int] = []

    def get_watermark_offsets(self, *_: object, cached: bool = False) -> tuple[int, int] | None:
        assert not cached
        if isinstance(self._ends, KafkaException):
            raise self._ends
        return self._ends

    def assign(self, places: Iterable[object]) -> None:
        self.reads.append(len(list(places)))

    def take(self, *_: object) -> list[Message]:
        """Give all of it each time: who is read anew begins at the beginning."""
        return self._messages

    def close(self) -> None:
        """Nothing runs."""


def log_over(monkeypatch: pytest.MonkeyPatch, *messages: Message, ends: Ends = (0, 9)) -> tuple[AnybodysLog, Consumer]:
    consumer = Consumer([*messages, end(9)], ends)
    monkeypatch.setattr(anybodys_log, "IsolatedConsumer", lambda *_, **_named: consumer)
    return AnybodysLog(Connection("kafka:9092"), "readers", timeout_s=10.0), consumer


def record(key: bytes | None, value: bytes | None, *headers: tuple[str, bytes | None]) -> Message:
    return Message(topic=TOPIC, partition=0, offset=0, key=key, value=value, headers=list(headers))


def test_the_last_record_of_each_key_counts_and_tombstones_take_away(monkeypatch: pytest.MonkeyPatch) -> None:
    written = [record(b"a", b"1", ("h", None)), record(b"b", b"1"), record(b"b", None), record(None, b"2")]
    log, consumer = log_over(monkeypatch, *written, record(b"a", b"3", ("h", b"x"), ("h", None)))
    wanted = [SignedRecord(b"", b"2"), SignedRecord(b"a", b"3", (("h", b"x"), ("h", b"")))]
    assert list(log.read(TOPIC).values()) == wanted
    assert consumer.reads == [1, 0], "nothing is fetched beyond the look"


@pytest.mark.parametrize("ends", UNKNOWN, ids=["no-answer-in-time", "an-end-that-is-none", "an-error-that-was-lost"])
def test_x83_a_topic_of_which_nobody_says_where_it_ends_is_not_an_empty_one(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It seemed to be signed by nobody: who had lost the key made another, and the claim of a namespace was good."""
    log, _ = log_over(monkeypatch, record(b"a", b"1"), ends=ends)
    with pytest.raises(BrokerUnavailableError, match=f"cannot read where {TOPIC}/0 ends"):
        log.read(TOPIC)


def test_x99_a_topic_that_may_not_be_read_says_so_where_its_ends_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    log, _ = log_over(monkeypatch, ends=FORBIDDEN)
    with pytest.raises(BrokerUnavailableError) as raised:
        log.read(TOPIC)
    told = client_error(raised.value, f"look at {TOPIC!r}")
    assert (type(told), told.reason) == (KafkaForbiddenError, ConditionReason.KAFKA_AUTHORIZATION_FAILED)
    assert f"could not look at {TOPIC!r}: cannot read where {TOPIC}/0 ends: TOPIC_AUTHORIZATION_FAILED" in str(told)


def test_x83_an_end_before_the_end_that_a_leader_has_told_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new leader may not show all of its log yet: what it does not show would seem never to have been written."""
    log, _ = log_over(monkeypatch, end(0), record(b"a", b"1"), end(8))
    assert set(log.read(TOPIC)) == {b"a"}


def test_a_topic_with_nothing_on_it_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    log, consumer = log_over(monkeypatch, ends=(4, 4))
    assert (log.read(TOPIC), consumer.reads) == ({}, [])


def test_x07_a_topic_that_holds_too_much_is_told_and_one_that_was_written_often_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(anybodys_log, "MOST_BYTES", 1024 * 1024)
    half = b"x" * 500_000
    often, _ = log_over(monkeypatch, *[record(b"a", half)] * 5, record(b"b", half))
    assert set(often.read(TOPIC)) == {b"a", b"b"}
    many, _ = log_over(monkeypatch, *(record(key, half) for key in (b"a", b"b", b"c")))
    with pytest.raises(KafkaUnavailableError, match=f"could not read '{TOPIC}': it holds more than 1 MiB"):
        many.read(TOPIC)


@pytest.mark.parametrize(("believed_s", "opened"), [(0.0, 2), (3_600.0, 1)])
def test_x07_what_others_died_of_is_believed_for_a_while_as_the_topic_may_be_made_again(
    believed_s: float, opened: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People deleted it, as they were told; who had it then was told the same until the operator was started again."""
    deadly = Message(
        topic=TOPIC, partition=0, offset=0, error=KafkaError(DEADLY, "3 processes died of reading a batch")
    )
    consumers = [Consumer([deadly], (0, 1)), Consumer([record(b"a", b"1"), end(1)], (0, 1))]
    left = iter(consumers)
    monkeypatch.setattr(anybodys_log, "IsolatedConsumer", lambda *_, **_named: next(left))
    monkeypatch.setattr(anybodys_log, "_BELIEVED_S", believed_s)
    log = AnybodysLog(Connection("kafka:9092"), "readers", timeout_s=10.0)
    with pytest.raises(KafkaUnavailableError, match="3 processes died of reading a batch; delete the topic"):
        log.read(TOPIC)
    if opened > 1:
        assert set(log.read(TOPIC)) == {b"a"}
    else:
        with pytest.raises(KafkaUnavailableError):
            log.read(TOPIC)
    assert len(consumers) - len(list(left)) == opened
