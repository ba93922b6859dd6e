"""Where a log ends, before a record is told that its offset cannot be its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, KafkaException
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.membership import ask_watermarks, end_of
from streamwarden_kafka.positions import LogEnds
from typing_extensions import override

if TYPE_CHECKING:
    from confluent_kafka import TopicPartition

AT = ("pages", 0)


class Client:
    """Knows an end by its last fetch, and another one where it asks."""

    def __init__(self, known: int, asked: int) -> None:
        self._known, self._asked = known, asked
        self.questions = 0

    def get_watermark_offsets(
        self, _partition: TopicPartition, timeout: float = 0, *, cached: bool = False
    ) -> tuple[int, int]:
        self.questions += not cached
        assert cached or timeout > 0
        return 0, self._known if cached else self._asked


def test_a_record_that_was_written_while_a_broker_answered_a_fetch_is_not_told_by_the_end_that_came_with_it() -> None:
    client = Client(known=67, asked=70)
    ends = LogEnds(lambda at, offset: end_of(client, at, offset))
    assert [ends.explain_untrue(AT, offset) for offset in (66, 67, 68, 69)] == [None] * 4
    assert client.questions == 1
    assert ends.explain_untrue(AT, 70) == "a record gives the offset 70, and the log ends at 70"


def test_what_is_before_the_known_end_asks_nobody() -> None:
    client = Client(known=67, asked=70)
    assert (end_of(client, AT, 66), client.questions) == (67, 0)


def test_an_end_that_is_negative_is_no_answer() -> None:
    with pytest.raises(BrokerUnavailableError, match="cannot read where pages/0 ends"):
        ask_watermarks(Client(known=-1, asked=-1001), AT)


class Refusing(Client):
    """Its broker gives these errors first, one a question."""

    def __init__(self, *codes: int) -> None:
        super().__init__(known=-1, asked=70)
        self._codes = list(codes)

    @override
    def get_watermark_offsets(
        self, _partition: TopicPartition, timeout: float = 0, *, cached: bool = False
    ) -> tuple[int, int]:
        answer = super().get_watermark_offsets(_partition, timeout, cached=cached)
        if self._codes:
            raise KafkaException(KafkaError(self._codes.pop(0)))
        return answer


NOT_LEADER, FORBIDDEN = KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_x94_a_broker_that_does_not_lead_a_new_partition_yet_is_asked_again() -> None:
    client = Refusing(NOT_LEADER, NOT_LEADER)
    assert (ask_watermarks(client, AT, timeout_s=60.0), client.questions) == ((0, 70), 3)


@pytest.mark.parametrize(
    ("code", "timeout_s", "name"),
    [
        pytest.param(NOT_LEADER, 0.0, "NOT_LEADER_FOR_PARTITION", id="when-no-time-is-left"),
        pytest.param(FORBIDDEN, 60.0, "TOPIC_AUTHORIZATION_FAILED", id="at-once-where-asking-again-helps-nothing"),
    ],
)
def test_a_broker_that_gives_no_end_is_told(code: int, timeout_s: float, name: str) -> None:
    client = Refusing(code)
    with pytest.raises(BrokerUnavailableError, match=f"cannot read where pages/0 ends: {name}"):
        ask_watermarks(client, AT, timeout_s)
    assert client.questions == 1
