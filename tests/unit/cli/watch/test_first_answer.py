"""What ``watch`` says where Kafka does not take the settings that it was given, and what to look at."""

from __future__ import annotations

import pytest
from streamwarden_cli.session.options import SessionError
from streamwarden_cli.watch.run import reach_kafka
from streamwarden_kafka.connection import Connection, Protocol
from streamwarden_kafka.errors import BrokerUnavailableError, LoginRefusedError, MechanismNotOfferedError
from streamwarden_kafka.wire import reach
from streamwarden_kafka.wire.connections import Wire
from support.shown import Shown

KAFKA = Connection.scram("kafka:9092", "me", "sesame")
LOGIN = "Look at sasl.username, sasl.password and sasl.mechanism in the file that --kafka names"
ADDRESS = "Look at bootstrap.servers and security.protocol in the file that --kafka names"


def answering(monkeypatch: pytest.MonkeyPatch, *answers: BrokerUnavailableError | None) -> None:
    """Have brokers answer so, one request after the other; None is an answer."""
    left = list(answers)

    async def ask_any(_wire: Wire, _request: object) -> None:
        if (error := left.pop(0)) is not None:
            raise error

    monkeypatch.setattr(Wire, "ask_any", ask_any)
    monkeypatch.setattr(reach, "_AGAIN_S", 0.0)


@pytest.mark.parametrize(
    ("error", "look"),
    [
        pytest.param(LoginRefusedError("could not log in at kafka:9092"), LOGIN, id="a-wrong-password"),
        pytest.param(MechanismNotOfferedError("kafka:9092 takes no logins by PLAIN"), LOGIN, id="no-such-mechanism"),
        pytest.param(BrokerUnavailableError("could not connect to kafka:9092"), ADDRESS, id="no-answer-in-time"),
    ],
)
async def test_a_kafka_that_does_not_take_the_settings_ends_a_watch_with_what_to_look_at(
    error: BrokerUnavailableError, look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, error)
    screen = Shown()

    with pytest.raises(SessionError) as told:
        await reach_kafka(KAFKA, screen, patience_s=0.0)

    assert (str(told.value), screen.said) == (f"{error}. {look}", [])


async def test_what_is_waited_for_is_said_once_and_an_answer_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    down = BrokerUnavailableError("could not connect to kafka:9092")
    answering(monkeypatch, down, down, down, None)
    screen = Shown()

    await reach_kafka(KAFKA, screen, patience_s=600.0)

    assert screen.said == screen.problems == ["waiting for Kafka: could not connect to kafka:9092"]


async def test_settings_that_librdkafka_alone_knows_are_left_to_it() -> None:
    screen = Shown()
    await reach_kafka(Connection("127.0.0.1:1", Protocol.SASL_SSL, "OAUTHBEARER"), screen, patience_s=0.0)
    assert screen.said == []
