"""What the wire client tells of each request: Kafka's name of it, and how it went; and why one cannot be made."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import DescribeClientQuotasRequest
from aiokafka.protocol.api import Request
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest
from streamwarden_kafka import wire
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.wire.answers import REQUESTS
from streamwarden_kafka.wire.connections import Broker, Wire
from streamwarden_kafka.wire.tokens import DescribeDelegationTokenRequest
from support.mock_broker import mock_broker

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPIC_UNKNOWN = 3
PLACE = ("127.0.0.1", 9092)


class FakeConnection:
    """A connection whose broker answers these versions of requests, by key, with one answer or none."""

    host, port = PLACE

    def __init__(self, versions: dict[int, tuple[int, int]], *values: Any) -> None:
        self._versions, self._values = versions, values
        self.closed = False

    async def send(self, request: Any) -> Any:
        made = request.prepare(self._versions)
        if not self._values:
            raise KafkaConnectionError("Connection closed")
        return made.RESPONSE_TYPE(*self._values)

    def close(self) -> None:
        self.closed = True


class Told(list[tuple[str, str]]):
    """What was told: request and outcome."""

    def __call__(self, request: str, outcome: str) -> None:
        self.append((request, outcome))


def offsets(*codes: int) -> list[Any]:
    """Give what ListOffsets version 1 answers of one topic, a partition each."""
    return [("t", [(partition, code, -1, 0) for partition, code in enumerate(codes)])]


ASK_OFFSETS = OffsetRequest(-1, 0, [("t", [(0, -1), (1, -1)])])


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        pytest.param([offsets(0, 0)], "ok", id="an-answer-without-an-error"),
        pytest.param([offsets(0, TOPIC_UNKNOWN)], "refused", id="an-error-of-one-item"),
    ],
)
async def test_a_request_is_told_by_kafkas_name_with_how_it_went(values: list[Any], outcome: str) -> None:
    told = Told()
    await Broker(cast("Any", FakeConnection({2: (1, 1)}, *values)), told).ask(ASK_OFFSETS)
    assert told == [("ListOffsets", outcome)]


async def test_an_error_of_the_whole_answer_is_a_refusal_too() -> None:
    told = Told()
    answer = (0, 31, "not authorized", None)
    await Broker(cast("Any", FakeConnection({48: (0, 0)}, *answer)), told).ask(DescribeClientQuotasRequest([], False))
    assert told == [("DescribeClientQuotas", "refused")]


async def test_a_request_without_an_answer_is_told_and_its_connection_is_given_up() -> None:
    told, connection = Told(), FakeConnection({2: (1, 1)})
    with pytest.raises(BrokerUnavailableError, match=r"no answer from 127.0.0.1:9092: .*Connection closed"):
        await Broker(cast("Any", connection), told).ask(ASK_OFFSETS)
    assert (told, connection.closed) == ([("ListOffsets", "no_answer")], True)


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        pytest.param(
            {},
            "Kafka is too old, or leaves out what is needed: it does not answer FindCoordinator",
            id="F43-a-request-that-is-not-answered",
        ),
        pytest.param(
            {10: (7, 9)},
            "Kafka is too new: it answers FindCoordinator in versions 7 to 9, and is asked in versions 0 to 1",
            id="F43-only-later-versions",
        ),
        pytest.param(
            {10: (-1, -1)},
            "Kafka is too old, or leaves out what is needed: it does not answer FindCoordinator",
            id="F43-no-version-at-all",
        ),
    ],
)
async def test_f43_which_side_is_too_old_is_said_and_the_connection_goes_on(
    versions: dict[int, tuple[int, int]], said: str
) -> None:
    told, connection = Told(), FakeConnection(versions)
    with pytest.raises(BrokerUnavailableError) as caught:
        await Broker(cast("Any", connection), told).ask(FindCoordinatorRequest("g", 0))
    assert str(caught.value) == said
    assert (told, connection.closed) == ([("FindCoordinator", "no_answer")], False)


async def test_f43_a_broker_that_answers_earlier_versions_only_is_too_old() -> None:
    connection = FakeConnection({41: (0, 0)})
    with pytest.raises(BrokerUnavailableError) as caught:
        await Broker(cast("Any", connection)).ask(DescribeDelegationTokenRequest("guard"))
    assert str(caught.value) == (
        "Kafka is too old: it answers DescribeDelegationToken in version 0, and is asked in version 1"
    )


def sent() -> Iterator[type[Request[Any]]]:
    """Give each kind of request that a module of the wire client names."""
    for module in pkgutil.iter_modules(wire.__path__):
        found = importlib.import_module(f"{wire.__name__}.{module.name}")
        for _, each in inspect.getmembers(found, inspect.isclass):
            if issubclass(each, Request) and each is not Request:
                yield each


def test_every_request_that_is_sent_has_a_name_and_no_other_has() -> None:
    assert {each.API_KEY for each in sent()} == set(REQUESTS)


async def test_a_connection_is_told_and_then_what_was_asked_over_it() -> None:
    told = Told()
    with mock_broker("any") as properties:
        async with Wire(Connection.of(properties), "test", timeout_s=30, on_answered=told) as connections:
            broker = await connections.any_broker()
            assert (await connections.any_broker()).offers == broker.offers
            await broker.ask(MetadataRequest([]))
    assert told == [("Connect", "ok"), ("Metadata", "ok")]


async def test_a_broker_that_is_not_there_is_told() -> None:
    told = Told()
    with pytest.raises(BrokerUnavailableError):
        await Wire(Connection("127.0.0.1:1"), "test", timeout_s=5, on_answered=told).any_broker()
    assert told == [("Connect", "no_answer")]
