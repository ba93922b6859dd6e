"""What librdkafka says becomes structured log lines, and not too many of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import structlog
from confluent_kafka import KafkaError
from streamwarden_kafka.logs import ClientLog

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATE = "%s [%s] %s"


@pytest.fixture
def logged() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs() as entries:
        yield entries


def test_a_line_becomes_values_of_one_message(logged: list[structlog.typing.EventDict]) -> None:
    ClientLog("feed").log(logging.ERROR, TEMPLATE, "FAIL", "rdkafka#producer-1", "Connect failed")
    assert logged == [
        {
            "event": "kafka client",
            "log_level": "warning",
            "client": "feed",
            "error": "FAIL",
            "detail": "FAIL rdkafka#producer-1 Connect failed",
            "left_out": 0,
        }
    ]


def test_of_one_kind_only_the_first_of_ten_seconds_is_logged(
    logged: list[structlog.typing.EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr("streamwarden_kafka.logs.time.monotonic", lambda: now_s)
    log = ClientLog("feed")
    for _ in range(3):
        log.on_error(KafkaError(KafkaError._TRANSPORT))
    log.log(logging.WARNING, TEMPLATE, "TERMINATE", "rdkafka#producer-1", "another kind")
    now_s += 10
    log.on_error(KafkaError(KafkaError._TRANSPORT))
    assert [(entry["error"], entry["left_out"]) for entry in logged] == [
        ("_TRANSPORT", 0),
        ("TERMINATE", 0),
        ("_TRANSPORT", 2),
    ]


def test_a_quiet_one_speaks_at_level_debug(logged: list[structlog.typing.EventDict]) -> None:
    log = ClientLog("admin", quiet=True)
    log.log(logging.ERROR, TEMPLATE, "FAIL", "rdkafka#producer-1", "Connect failed")
    log.on_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    assert [entry["log_level"] for entry in logged] == ["debug", "debug"]


def test_every_error_of_a_connection_reaches_who_listens() -> None:
    heard: list[str] = []
    log = ClientLog("transactions", on_error=lambda error: heard.append(error.name()))
    for _ in range(2):
        log.on_error(KafkaError(KafkaError._TRANSPORT))
    assert heard == ["_TRANSPORT", "_TRANSPORT"]
