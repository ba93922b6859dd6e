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
