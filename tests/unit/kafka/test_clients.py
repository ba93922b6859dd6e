"""Each role gets what it needs, from any connection, and nothing that it would warn about."""

from __future__ import annotations

import pytest
from streamwarden_kafka.clients import open_admin, open_consumer, open_producer
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.logs import ClientLog

NOWHERE = Connection("127.0.0.1:9", options={"reconnect.backoff.ms": "10000", "reconnect.backoff.max.ms": "10000"})


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def log(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> ClientLog:
    heard = ClientLog("test")
    monkeypatch.setattr(heard, "log", lambda _level, _template, *values: lines.append(" ".join(map(str, values))))
    return heard


@pytest.mark.slow
def test_no_client_of_any_role_warns_of_its_settings(log: ClientLog, lines: list[str]) -> None:
    producer = open_producer(NOWHERE, log)
    consumer = open_consumer(NOWHERE, "group", log, {"auto.offset.reset": "error"})
    admin = open_admin(NOWHERE, log)
    producer.poll(0.1)
    consumer.poll(0.1)
    admin.poll(0.1)
    consumer.close()
    assert [line for line in lines if line.startswith("CONFWARN")] == []


def test_a_setting_of_the_use_comes_before_that_of_the_role(log: ClientLog) -> None:
    with pytest.raises(Exception, match=r"isolation\.level"):
        open_consumer(NOWHERE, "group", log, {"isolation.level": "no such level"})
