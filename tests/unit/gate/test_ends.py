"""The ends of the policy topics are asked for beside the reading, by a client that can still answer."""

from __future__ import annotations

import math
from concurrent.futures import Future
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from streamwarden_gate.ends import Ends
from streamwarden_gate.freshness import Freshness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka.admin import AdminClient

TOPIC = "policies"


class Client:
    """As much of an admin client as is asked for; its answers come when the test says."""

    def __init__(self) -> None:
        self.asked: list[Future[Any]] = []

    def poll(self, timeout_s: float) -> int:
        assert timeout_s == 0, "nothing is waited for"
        return 0

    def list_offsets(self, wanted: Mapping[TopicPartition, object], **_: object) -> dict[TopicPartition, Future[Any]]:
        self.asked.append(Future())
        return dict.fromkeys(wanted, self.asked[-1])


def ends_of(clients: list[Client], freshness: Freshness) -> Ends:
    made = cast("list[AdminClient]", clients)
    others = iter(made[1:])
    return Ends(made[0], lambda: next(others), [TOPIC], freshness, every_s=0)


def test_an_answer_counts_and_the_next_question_follows() -> None:
    client, freshness = Client(), Freshness([TOPIC])
    ends = ends_of([client], freshness)
    freshness.reached(TOPIC, 3)
    ends.follow()
    ends.follow()
    assert len(client.asked) == 1, "one question at a time"
    client.asked[0].set_result(SimpleNamespace(offset=3))
    ends.follow()
    assert freshness.proven_at_s > 0
    assert len(client.asked) == 2


def test_after_a_failure_another_client_is_asked() -> None:
    """As after a broker was away: the client goes on to ask by the epoch of the leader that was."""
    first, second, freshness = Client(), Client(), Freshness([TOPIC])
    ends = ends_of([first, second], freshness)
    freshness.reached(TOPIC, 3)
    ends.follow()
    first.asked[0].set_exception(KafkaException(KafkaError(KafkaError.FENCED_LEADER_EPOCH)))
    ends.follow()
    assert (len(first.asked), len(second.asked)) == (1, 1)
    second.asked[0].set_result(SimpleNamespace(offset=3))
    ends.follow()
    assert freshness.proven_at_s > 0


def test_a_broker_that_does_not_answer_proves_nothing() -> None:
    """librdkafka reports no error then, but the offset -1001: before everything, so all would seem to be read."""
    first, second, freshness = Client(), Client(), Freshness([TOPIC])
    ends = ends_of([first, second], freshness)
    freshness.reached(TOPIC, 3)
    ends.follow()
    first.asked[0].set_result(SimpleNamespace(offset=-1001))
    ends.follow()
    assert freshness.proven_at_s == -math.inf
    assert len(second.asked) == 1, "as after each failure"
    second.asked[0].set_result(SimpleNamespace(offset=3))
    ends.follow()
    assert freshness.proven_at_s > 0
