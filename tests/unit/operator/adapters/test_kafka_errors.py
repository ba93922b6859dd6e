from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.adapters.kafka.errors import translate, translated
from streamwarden_operator.errors import (
    InvalidSpecError,
    KafkaUnavailableError,
    OperatorError,
    UnsupportedChangeError,
)


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        pytest.param(KafkaError.TOPIC_EXCEPTION, InvalidSpecError, "InvalidSpec", id="a-bad-topic-name"),
        pytest.param(KafkaError.INVALID_CONFIG, InvalidSpecError, "InvalidConfig", id="a-bad-configuration"),
        pytest.param(KafkaError.INVALID_PARTITIONS, UnsupportedChangeError, "NotSupported", id="fewer-partitions"),
        pytest.param(KafkaError.INVALID_REPLICATION_FACTOR, InvalidSpecError, "InvalidSpec", id="too-many-replicas"),
        pytest.param(KafkaError.POLICY_VIOLATION, InvalidSpecError, "InvalidSpec", id="the-clusters-own-policy"),
        pytest.param(KafkaError._TIMED_OUT, KafkaUnavailableError, "KafkaUnavailable", id="F30-no-answer"),
        pytest.param(KafkaError.NOT_CONTROLLER, KafkaUnavailableError, "KafkaUnavailable", id="F31-a-new-controller"),
        pytest.param(KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaUnavailableError, "KafkaUnavailable", id="no-right"),
        pytest.param(KafkaError.THROTTLING_QUOTA_EXCEEDED, KafkaUnavailableError, "KafkaUnavailable", id="F38-a-quota"),
    ],
)
def test_kafkas_codes_become_our_errors(code: int, kind: type[OperatorError], reason: str) -> None:
    error = translate(KafkaException(KafkaError(code, "the broker's words")), "create topic 'orders'")
    assert type(error) is kind
    assert error.reason is ConditionReason(reason)
    assert str(error) == "could not create topic 'orders': the broker's words"


def test_the_cause_is_kept() -> None:
    cause = KafkaException(KafkaError(KafkaError._TIMED_OUT))
    with pytest.raises(KafkaUnavailableError) as caught, translated("list the ACLs"):
        raise cause
    assert caught.value.__cause__ is cause


def test_what_is_not_kafkas_is_left_alone() -> None:
    with pytest.raises(ValueError, match="ours"), translated("list the ACLs"):
        raise ValueError("ours")
