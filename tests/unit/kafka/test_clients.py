"""Each role gets what it needs, from any connection, and nothing that it would warn about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_kafka.clients import check_settings, open_admin, open_consumer, open_producer
from streamwarden_kafka.connection import Connection, Protocol
from streamwarden_kafka.errors import ConnectionSettingsError
from streamwarden_kafka.logs import ClientLog

if TYPE_CHECKING:
    from pathlib import Path

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


@pytest.mark.parametrize(
    ("setting", "text", "why"),
    [
        pytest.param("ssl.ca.location", None, "cannot be read: No such file or directory", id="no-authorities-file"),
        pytest.param("ssl.key.location", None, "cannot be read: No such file or directory", id="no-key-file"),
        pytest.param(
            "ssl.ca.location",
            "sesame\n",
            "has no certificate in PEM: no line '-----BEGIN CERTIFICATE'",
            id="a-file-of-something-else",
        ),
    ],
)
def test_a_file_that_a_setting_names_is_told_by_its_name_and_what_is_wrong(
    setting: str, text: str | None, why: str, tmp_path: Path
) -> None:
    file = tmp_path / "file.pem"
    if text is not None:
        file.write_text(text)

    with pytest.raises(ConnectionSettingsError) as refused:
        check_settings(Connection("127.0.0.1:9", Protocol.SSL, options={setting: str(file)}))

    assert str(refused.value) == f"{setting}: {file} {why}"


@pytest.mark.parametrize("place", [pytest.param("", id="a-folder"), pytest.param("probe", id="wherever-it-is")])
def test_authorities_that_librdkafka_looks_for_by_itself_are_no_file(place: str, tmp_path: Path) -> None:
    check_settings(Connection("127.0.0.1:9", Protocol.SSL, ca_location=place or str(tmp_path)))
