"""What the policy log makes of errors of its producer; tests/integration/operator/test_policy_log.py has a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import (
    BrokerUnavailableError,
    ProducerFailedError,
    ProducerFencedError,
    ProducersHangError,
    TransactionUnknownError,
)
from streamwarden_kafka.transactions import TransactionalProducer
from streamwarden_operator.adapters.kafka.policy_log import KafkaPolicyLog
from streamwarden_operator.errors import CannotGoOnError, KafkaUnavailableError, LeadershipLostError

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
