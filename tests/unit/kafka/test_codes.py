"""What a broker's refusal says of a record, and what of the topic that it was to go to."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError
from streamwarden_kafka.codes import REFUSED_FOR_ITSELF, REFUSED_RECORD


@pytest.mark.parametrize(
    ("code", "for_itself"),
    [
        pytest.param(KafkaError.MSG_SIZE_TOO_LARGE, True, id="too-large"),
        pytest.param(KafkaError.RECORD_LIST_TOO_LARGE, True, id="a-batch-that-is-too-large"),
        pytest.param(KafkaError.INVALID_TIMESTAMP, False, id="the-writer-s-clock"),
        pytest.param(KafkaError.INVALID_RECORD, False, id="a-topic-that-demands-keys"),
        pytest.param(KafkaError.POLICY_VIOLATION, False, id="a-topic-s-policy"),
        pytest.param(KafkaError.TOPIC_AUTHORIZATION_FAILED, False, id="a-right-that-is-missing"),
    ],
)
def test_a_record_is_refused_for_its_size_alone(code: int, for_itself: bool) -> None:  # noqa: FBT001  # of the table
    assert code in REFUSED_RECORD
    assert (code in REFUSED_FOR_ITSELF) is for_itself
