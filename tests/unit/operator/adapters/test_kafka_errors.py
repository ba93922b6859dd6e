from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException
from streamwarden_contract.reasons import ConditionReason
from streamwarden_kafka.errors import (
    ConnectionSettingsError,
    KafkaClientError,
    LoginRefusedError,
    ThrottledError,
    TransactionAbortedError,
    TransactionUnknownError,
)
from streamwarden_kafka.wire.connections import refusal
from streamwarden_operator.adapters.kafka.errors import client_error, translate, translated
from streamwarden_operator.errors import (
    InvalidSpecError,
    KafkaForbiddenError,
    KafkaLoginError,
    KafkaThrottledError,
    KafkaUnavailableError,
    OperatorError,
    UnavailableError,
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
        pytest.param(KafkaError.THROTTLING_QUOTA_EXCEEDED, KafkaThrottledError, "KafkaThrottled", id="F38-a-quota"),
    ],
)
def test_kafkas_codes_become_our_errors(code: int, kind: type[OperatorError], reason: str) -> None:
    error = translate(KafkaException(KafkaError(code, "the broker's words")), "create topic 'orders'")
    assert type(error) is kind
    assert error.reason is ConditionReason(reason)
    assert str(error) == "could not create topic 'orders': the broker's words"


@pytest.mark.parametrize(
    ("code", "kind", "reason", "advice"),
    [
        pytest.param(
            code, KafkaForbiddenError, "KafkaAuthorizationFailed", "Grant it to the operator's", id=f"X99-{name}"
        )
        for name, code in (
            ("no-right-on-the-cluster", KafkaError.CLUSTER_AUTHORIZATION_FAILED),
            ("F37-no-right-on-a-topic", KafkaError.TOPIC_AUTHORIZATION_FAILED),
            ("no-right-on-a-group", KafkaError.GROUP_AUTHORIZATION_FAILED),
            ("no-right-on-a-transactional-id", KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        )
    ]
    + [
        pytest.param(code, KafkaLoginError, "KafkaAuthenticationFailed", "Mend the credentials", id=f"X99-{name}")
        for name, code in (
            ("the-client-is-not-let-in", KafkaError._AUTHENTICATION),
            ("the-broker-does-not-take-the-password", KafkaError.SASL_AUTHENTICATION_FAILED),
        )
    ],
)
def test_what_kafka_forbids_to_the_operator_has_reasons_of_its_own_and_says_what_to_do(
    code: int, kind: type[OperatorError], reason: str, advice: str
) -> None:
    refused = KafkaException(KafkaError(code, "the broker's words"))
    aborted = TransactionUnknownError("nobody knows")
    aborted.__cause__ = TransactionAbortedError("aborted")
    aborted.__cause__.__cause__ = refused
    for error in (translate(refused, "list the ACLs"), client_error(aborted, "publish")):
        assert type(error) is kind
        assert error.reason is ConditionReason(reason)
        assert advice in str(error)
        assert isinstance(error, UnavailableError)  # tried again: whoever grants it need not tell the operator


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(LoginRefusedError("bad password"), "KafkaAuthenticationFailed", id="X99-of-the-wire-client"),
        pytest.param(refusal(29, "read the end"), "KafkaAuthorizationFailed", id="X99-an-answer-to-the-wire-client"),
        pytest.param(refusal(6, "read the end"), "KafkaUnavailable", id="another-answer-to-it"),
        pytest.param(ConnectionSettingsError("no server"), "InvalidSpec", id="settings"),
    ],
)
def test_errors_of_our_own_clients_say_whose_trouble_it_is(error: KafkaClientError, reason: str) -> None:
    assert client_error(error).reason is ConditionReason(reason)


def test_f38_how_long_a_quota_makes_wait_is_kept() -> None:
    with pytest.raises(KafkaThrottledError, match="goes on by itself") as caught, translated("create topic 'orders'"):
        raise ThrottledError("it goes on by itself", 12.5)
    assert (caught.value.retry_after_s, caught.value.reason) == (12.5, ConditionReason.KAFKA_THROTTLED)


def test_the_cause_is_kept() -> None:
    cause = KafkaException(KafkaError(KafkaError._TIMED_OUT))
    with pytest.raises(KafkaUnavailableError) as caught, translated("list the ACLs"):
        raise cause
    assert caught.value.__cause__ is cause


def test_what_is_not_kafkas_is_left_alone() -> None:
    with pytest.raises(ValueError, match="ours"), translated("list the ACLs"):
        raise ValueError("ours")
