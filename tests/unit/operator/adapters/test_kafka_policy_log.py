"""What the policy log makes of errors of its producer; tests/integration/operator/test_policy_log.py has a broker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, KafkaException
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import (
    BrokerUnavailableError,
    ProducerFailedError,
    ProducerFencedError,
    ProducersHangError,
    TransactionUnknownError,
)
from streamwarden_kafka.transactions import TransactionalProducer
from streamwarden_operator.adapters.kafka import policy_log
from streamwarden_operator.adapters.kafka.policy_log import KafkaPolicyLog
from streamwarden_operator.errors import (
    CannotGoOnError,
    KafkaForbiddenError,
    KafkaUnavailableError,
    LeadershipLostError,
)
from streamwarden_operator.ports import SignedRecord

if TYPE_CHECKING:
    from streamwarden_kafka.errors import KafkaClientError
    from streamwarden_operator.errors import OperatorError


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        pytest.param(BrokerUnavailableError("no answer"), KafkaUnavailableError, id="an outage is waited out"),
        pytest.param(
            TransactionUnknownError("timed out"), KafkaUnavailableError, id="an unknown outcome is read again"
        ),
        pytest.param(ProducerFailedError("fatal"), KafkaUnavailableError, id="a fatal error needs another producer"),
        pytest.param(ProducersHangError("3 hang"), CannotGoOnError, id="hung transactions need another process"),
        pytest.param(ProducerFencedError("fenced"), LeadershipLostError, id="whoever was fenced has lost"),
    ],
)
async def test_an_error_of_the_producer_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: KafkaClientError, raised: type[OperatorError]
) -> None:
    def fail(_producer: TransactionalProducer) -> None:
        raise error

    monkeypatch.setattr(TransactionalProducer, "open", fail)
    log = KafkaPolicyLog(Connection(""), transactional_id="publisher")
    with pytest.raises(raised, match=r"could not publish on 'risk\.policies'") as found:
        await log.publish("risk.policies", [])
    assert type(found.value) is raised


@pytest.mark.parametrize(
    ("position", "before", "offsets", "then"),
    [
        pytest.param(7, 7, [8, 9], 10, id="behind-the-marker-of-our-transaction-before-it"),
        pytest.param(8, 7, [8, 9], 10, id="behind-the-marker-where-the-end-was-seen"),
        pytest.param(0, 0, [0, 1], 0, id="of-a-new-topic-whose-end-was-not-asked-for-all-is-read"),
        pytest.param(8, 7, [9, 10], 8, id="somebody-has-written-one-record-in-between"),
        pytest.param(7, 7, [9, 10], 7, id="somebody-has-written-beside-the-marker"),
        pytest.param(7, 7, [8, 10], 7, id="somebody-has-written-between-ours"),
        pytest.param(7, 7, [8], 7, id="not-all-offsets-are-known"),
        pytest.param(-1, 0, [0, 1], -1, id="nothing-was-read-yet"),
    ],
)
def test_what_was_written_is_taken_as_read_only_where_it_follows(
    position: int, before: int, offsets: list[int], then: int
) -> None:
    read = policy_log._Read(position, {b"a": SignedRecord(b"a", b"1"), b"b": SignedRecord(b"b", b"1")})
    read.follow([SignedRecord(b"a", b"2"), SignedRecord(b"b", None)], offsets, before)
    taken = {b"a": SignedRecord(b"a", b"2")}
    left = {b"a": SignedRecord(b"a", b"1"), b"b": SignedRecord(b"b", b"1")}
    assert (read.position, read.records) == (then, left if then == position else taken)


FORBIDDEN = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))


@pytest.mark.parametrize(
    ("ends", "raised", "words"),
    [
        pytest.param(None, KafkaUnavailableError, "", id="no answer in time"),
        pytest.param((-1, -1), KafkaUnavailableError, "", id="an end that is none"),
        pytest.param((-1001, -1001), KafkaUnavailableError, "", id="what a client says that has lost the error"),
        pytest.param(FORBIDDEN, KafkaForbiddenError, ": TOPIC_AUTHORIZATION_FAILED. Grant it", id="X99-no right"),
    ],
)
async def test_a_log_of_which_nobody_says_where_it_ends_is_not_an_empty_one(
    ends: tuple[int, int] | KafkaException | None,
    raised: type[OperatorError],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(*_: object, **_named: object) -> tuple[int, int] | None:
        if isinstance(ends, KafkaException):
            raise ends
        return ends

    client = SimpleNamespace(
        incremental_assign=lambda _: None,
        get_watermark_offsets=answer,
        list_topics=lambda **_: SimpleNamespace(cluster_id="c"),
        close=lambda: None,
    )
    monkeypatch.setattr(policy_log, "open_consumer", lambda *_: client)
    monkeypatch.setattr(TransactionalProducer, "open", lambda _: None)
    log = KafkaPolicyLog(Connection(""), transactional_id="publisher")
    with pytest.raises(raised, match=rf"cannot read where risk\.policies/0 ends{words}") as found:
        await log.read("risk.policies")
    assert type(found.value) is raised


async def test_a_log_whose_end_was_seen_behind_our_own_marker_is_not_taken_for_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = SimpleNamespace(
        get_watermark_offsets=lambda *_, **_named: (0, 4),
        list_topics=lambda **_: SimpleNamespace(cluster_id="c"),
        consume=lambda *_: [],
        close=lambda: None,
    )
    monkeypatch.setattr(policy_log, "open_consumer", lambda *_: client)
    monkeypatch.setattr(TransactionalProducer, "open", lambda _: None)
    log = KafkaPolicyLog(Connection(""), transactional_id="publisher")
    known = {b"a": SignedRecord(b"a", b"1")}
    log._reads["risk.policies"], log._written["risk.policies"] = policy_log._Read(4, known), 3
    assert await log.read("risk.policies") == known
