"""A connection is a value: read from a file, written for clients, and silent about its secrets."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest
from streamwarden_kafka.connection import ClientFormat, Connection, Protocol, parse_properties
from streamwarden_kafka.errors import ConnectionSettingsError, MalformedPropertiesError

if TYPE_CHECKING:
    from pathlib import Path

GUARD = Connection("127.0.0.1:9092", Protocol.SASL_PLAINTEXT, "SCRAM-SHA-512", "risk.guard.agent", 'a"b\\c=')


def test_settings_are_read_and_comments_passed_over() -> None:
    text = "# made by the operator\n\n bootstrap.servers = a:1 \nsasl.password=p=w\n  # indented\n"
    assert parse_properties(text) == {"bootstrap.servers": "a:1", "sasl.password": "p=w"}


@pytest.mark.parametrize("line", ["hunter2", "=hunter2", " = hunter2"], ids=repr)
def test_a_line_that_is_no_setting_is_named_by_its_number_alone(line: str) -> None:
    with pytest.raises(MalformedPropertiesError, match="line 2: write name=value") as refused:
        Connection.parse(f"bootstrap.servers=a:1\n{line}\n")
    assert refused.value.line == 2
    assert "hunter2" not in str(refused.value)


def test_what_is_written_for_librdkafka_is_read_back() -> None:
    assert Connection.parse("# ours\n\n" + GUARD.render()) == GUARD


def test_a_file_for_librdkafka_partitions_keys_as_java_clients_do() -> None:
    assert GUARD.render().splitlines() == [
        "bootstrap.servers=127.0.0.1:9092",
        "security.protocol=SASL_PLAINTEXT",
        "sasl.mechanism=SCRAM-SHA-512",
        "sasl.username=risk.guard.agent",
        'sasl.password=a"b\\c=',
        "partitioner=murmur2_random",
    ]


def test_a_file_for_java_quotes_the_login() -> None:
    assert GUARD.render(ClientFormat.JAVA).splitlines() == [
        "bootstrap.servers=127.0.0.1:9092",
        "security.protocol=SASL_PLAINTEXT",
        "sasl.mechanism=SCRAM-SHA-512",
        (
            "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required"
            ' username="risk.guard.agent" password="a\\\\"b\\\\\\\\c=";'
        ),
    ]


def test_a_file_for_java_trusts_the_same_certificates() -> None:
    tls = Connection("a:1", Protocol.SSL, ca_location="/etc/ca.pem").render(ClientFormat.JAVA)
    assert "ssl.truststore.type=PEM\nssl.truststore.location=/etc/ca.pem\n" in tls


@pytest.mark.parametrize(
    "properties",
    [
        pytest.param({"sasl.password": "hunter2", "sasl.username": "u"}, id="the-password"),
        pytest.param({"ssl.key.password": "hunter2"}, id="the-password-of-a-key"),
        pytest.param({"sasl.oauthbearer.client.secret": "hunter2"}, id="a-client-secret"),
    ],
)
def test_no_secret_is_in_a_repr_or_a_traceback(properties: dict[str, str]) -> None:
    connection = Connection.of({"bootstrap.servers": "a:1", **properties})
    with pytest.raises(RuntimeError) as raised:
        raise RuntimeError(connection)
    assert "hunter2" not in f"{connection!r} {connection} {traceback.format_exception(raised.value)}"
    assert "hunter2" in connection.librdkafka().values()


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        pytest.param({"metadata.broker.list": "a:1"}, Connection("a:1"), id="the-other-name-of-the-servers"),
        pytest.param(
            {"bootstrap.servers": "a:1", "security.protocol": "sasl_ssl", "sasl.mechanisms": "PLAIN"},
            Connection("a:1", Protocol.SASL_SSL, "PLAIN"),
            id="the-other-name-of-the-mechanism-and-lower-case",
        ),
        pytest.param(
            {"bootstrap.servers": "a:1", "partitioner": "random", "linger.ms": "5"},
            Connection("a:1", options={"linger.ms": "5"}),
            id="a-partitioner-is-passed-over-and-tuning-kept",
        ),
    ],
)
def test_librdkafkas_words_are_understood(properties: dict[str, str], expected: Connection) -> None:
    assert Connection.of(properties) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("sasl.password=p\n", "bootstrap.servers is missing", id="no-servers"),
        pytest.param("bootstrap.servers=a:1\nsecurity.protocol=TLS\n", "'TLS' is none of", id="no-such-protocol"),
        pytest.param("bootstrap.servers=a:1\nhunter2\n", ", line 2: write name=value", id="a-broken-line"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "client.properties"
    file.write_text(text)
    with pytest.raises(ConnectionSettingsError) as refused:
        Connection.read(file)
    assert str(refused.value).startswith(str(file))
    assert message in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConnectionSettingsError, match=r"none\.properties cannot be read: No such file"):
        Connection.read(tmp_path / "none.properties")


def test_another_user_of_the_same_kafka() -> None:
    assert GUARD.as_user("risk.guard.gate", "pw") == Connection.scram("127.0.0.1:9092", "risk.guard.gate", "pw")


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("p\nsecurity.protocol=PLAINTEXT", id="another-setting"),
        pytest.param("p\rq", id="a-carriage-return"),
        pytest.param("p\u2028q", id="what-some-take-for-the-end-of-a-line"),
    ],
)
@pytest.mark.parametrize("style", list(ClientFormat))
def test_a_value_that_would_be_read_back_as_another_one_is_not_written(password: str, style: ClientFormat) -> None:
    with pytest.raises(ConnectionSettingsError) as refused:
        Connection.scram("a:1", "u", password).render(style)
    assert password not in str(refused.value)


def test_a_blank_at_an_end_would_be_lost_and_is_not_written_but_in_quotes() -> None:
    blank = Connection.scram("a:1", "u", " p")
    with pytest.raises(ConnectionSettingsError, match=r"sasl\.password: blanks"):
        blank.render()
    assert 'password=" p"' in blank.render(ClientFormat.JAVA)


def test_only_the_end_of_a_line_ends_a_value() -> None:
    assert parse_properties("a=b\x0cc\u2028d\r\ne=f") == {"a": "b\x0cc\u2028d", "e": "f"}


@pytest.mark.parametrize("line", ["sasl.password: hunter2==", "sasl.password hunter2=", "sasl.jaas.config hunter2 x=y"])
def test_a_name_that_is_none_may_be_a_secret_and_is_not_repeated(line: str) -> None:
    with pytest.raises(MalformedPropertiesError) as refused:
        Connection.parse(f"bootstrap.servers=a:1\n{line}\n")
    assert "hunter2" not in str(refused.value)
