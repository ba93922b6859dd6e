"""Who is told that it was fenced: tests/integration/operator/test_policy_log.py has a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError, NotAuthorizedError
from streamwarden_kafka.wire.transactional_ids import Holder
from streamwarden_operator.adapters.kafka import fence_watch
from streamwarden_operator.adapters.kafka.fence_watch import FenceWatch

if TYPE_CHECKING:
    from streamwarden_kafka.errors import KafkaClientError

OWN, OTHER, RENEWED = Holder(7, 3), Holder(7, 4), Holder(8, 0)
Answers = list["Holder | KafkaClientError | None"]
OUTAGE, FORBIDDEN = BrokerUnavailableError("no answer"), NotAuthorizedError("describe the transactional id")


@pytest.mark.parametrize(
    ("noted", "looks", "fenced"),
    [
        pytest.param(OWN, [OWN, OWN], [False, False], id="whoever has it itself is not fenced"),
        pytest.param(OWN, [OWN, OTHER], [False, True], id="another epoch is another publisher"),
        pytest.param(OWN, [RENEWED], [True], id="another producer id is another publisher"),
        pytest.param(OWN, [OUTAGE, OWN], [False, False], id="a broker that does not answer fences nobody"),
        pytest.param(OWN, [FORBIDDEN], [False], id="where nobody may ask the next publication finds out"),
        pytest.param(OWN, [None], [False], id="an id that Kafka forgot is nobody else's"),
        pytest.param(OUTAGE, [OWN, OTHER], [False, True], id="what could not be noted is taken from the next look"),
    ],
)
async def test_x94_another_holder_of_the_id_is_noticed(
    monkeypatch: pytest.MonkeyPatch, noted: Holder | KafkaClientError, looks: Answers, fenced: list[bool]
) -> None:
    answers: Answers = [noted, *looks]

    async def holder_of(_wire: object, transactional_id: str) -> Holder | None:
        assert transactional_id == "publisher"
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(fence_watch, "holder_of", holder_of)
    watch = FenceWatch(Connection("nowhere:1"), "publisher", timeout_s=1.0)
    await watch.note()
    assert [await watch.is_fenced() for _ in looks] == fenced
