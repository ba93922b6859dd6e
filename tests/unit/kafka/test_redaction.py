"""A password is in no traceback, also where it shows the local variables, and in nothing that a client says."""

from __future__ import annotations

import asyncio
import reprlib
import time
import traceback
from typing import TYPE_CHECKING

import pytest
import structlog
from confluent_kafka import KafkaError, KafkaException
from streamwarden_kafka.clients import open_admin, open_consumer, open_producer
from streamwarden_kafka.connection import ClientFormat, Connection, Protocol, parse_properties
from streamwarden_kafka.errors import BrokerUnavailableError, ConnectionSettingsError
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.redaction import Secret, is_secret, redact, wrap_secrets
from streamwarden_kafka.transactions import TransactionalProducer
from streamwarden_kafka.wire.connections import Wire
from streamwarden_kafka.wire.settings import translate_security

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSWORD = "hunter2"  # the one that must not be seen
NOWHERE = "127.0.0.1:9"
USER = Connection.scram(NOWHERE, "u", PASSWORD)
WITH_KEY = Connection.of({"bootstrap.servers": NOWHERE, "security.protocol": "SSL", "ssl.key.password": PASSWORD})
LOGIN = {"bootstrap.servers": NOWHERE, "sasl.username": "u", "sasl.password": PASSWORD, "ssl.key.password": PASSWORD}
WRONG = {"linger.ms": "soon", "fetch.wait.max.ms": "soon", "socket.timeout.ms": "soon"}


def shown(error: BaseException) -> str:
    """Return a traceback with local variables, but for those of the test."""
    own = error.__traceback__
    assert own is not None
    error.__traceback__ = own.tb_next
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def file_of(folder: Path, content: bytes) -> Path:
    file = folder / "client.properties"
    file.write_bytes(content)
    return file


def open_transactions() -> None:
    TransactionalProducer(USER, "id", ClientLog("test"), WRONG).open()


@pytest.mark.parametrize(
    ("act", "kind", "frame"),
    [
        pytest.param(
            lambda _: Connection.parse(f"sasl.password={PASSWORD}\nsasl.password {PASSWORD}\n"),
            ConnectionSettingsError,
            "in parse_properties",
            id="a-line-that-is-none-after-the-password-and-with-it",
        ),
        pytest.param(
            lambda _: parse_properties(f"sasl.jaas.config=a {PASSWORD}=\n{PASSWORD}"),
            ConnectionSettingsError,
            "in parse_properties",
            id="a-line-that-may-be-a-password",
        ),
        pytest.param(
            lambda _: Connection.of({**LOGIN, "bootstrap.servers": ""}),
            ConnectionSettingsError,
            "in of",
            id="no-server",
        ),
        pytest.param(
            lambda _: Connection.of({**LOGIN, "security.protocol": "TLS"}),
            ConnectionSettingsError,
            "in of",
            id="no-such-protocol",
        ),
        pytest.param(
            lambda folder: Connection.read(file_of(folder, f"sasl.password={PASSWORD}\nx\n".encode())),
            ConnectionSettingsError,
            "in read",
            id="a-file-with-a-broken-line",
        ),
        pytest.param(
            lambda folder: Connection.read(file_of(folder, f"sasl.password={PASSWORD}\xff\n".encode("latin-1"))),
            ConnectionSettingsError,
            "in read",
            id="a-file-that-is-not-utf-8",
        ),
        pytest.param(
            lambda _: Connection.scram(NOWHERE, "u", f"{PASSWORD}\n").render(),
            ConnectionSettingsError,
            "in render",
            id="a-password-that-cannot-be-written",
        ),
        pytest.param(
            lambda _: USER.as_user("u", f"{PASSWORD}\n").render(ClientFormat.JAVA),
            ConnectionSettingsError,
            "in render",
            id="a-password-that-cannot-be-written-for-java",
        ),
        pytest.param(
            lambda _: open_producer(USER, ClientLog("test"), WRONG),
            KafkaException,
            "in open_producer",
            id="a-producer-that-cannot-be-made",
        ),
        pytest.param(
            lambda _: open_consumer(USER, "g", ClientLog("test"), WRONG),
            KafkaException,
            "in open_consumer",
            id="a-consumer-that-cannot-be-made",
        ),
        pytest.param(
            lambda _: open_admin(USER, ClientLog("test"), WRONG),
            KafkaException,
            "in open_admin",
            id="an-admin-client-that-cannot-be-made",
        ),
        pytest.param(
            lambda _: open_transactions(), KafkaException, "in open_producer", id="a-transaction-that-cannot-be-opened"
        ),
        pytest.param(
            lambda _: translate_security(Connection.of({**LOGIN, "security.protocol": "SASL_SSL"})),
            ConnectionSettingsError,
            "in _sasl",
            id="a-mechanism-that-the-wire-cannot",
        ),
        pytest.param(
            lambda folder: translate_security(
                Connection(
                    NOWHERE,
                    Protocol.SSL,
                    options={
                        "ssl.certificate.location": str(file_of(folder, b"none")),
                        "ssl.key.password": PASSWORD,
                    },
                )
            ),
            ConnectionSettingsError,
            "in _tls",
            id="a-certificate-that-is-none",
        ),
        pytest.param(
            lambda _: asyncio.run(Wire(USER, "test", timeout_s=1).any_broker()),
            BrokerUnavailableError,
            "in create_conn",
            id="a-broker-that-the-wire-does-not-reach",
        ),
    ],
)
def test_no_error_shows_a_password_in_the_local_variables_of_its_frames(
    tmp_path: Path, act: Callable[[Path], object], kind: type[Exception], frame: str
) -> None:
    with pytest.raises(kind) as raised:
        act(tmp_path)
    text = shown(raised.value)
    assert frame in text
    assert PASSWORD not in text


def test_the_frames_of_a_plain_text_would_show_it() -> None:
    def fail(password: str) -> None:
        raise ValueError(len(password))

    with pytest.raises(ValueError, match="7") as raised:
        fail(PASSWORD)
    assert PASSWORD in shown(raised.value)


def test_a_secret_is_a_text_that_its_repr_hides_whole_and_in_part() -> None:
    secret = Secret(PASSWORD)
    assert (secret, f"{secret}", secret.encode()) == (PASSWORD, PASSWORD, PASSWORD.encode())
    assert repr(secret) == repr(secret[:3]) == repr(secret[0]) == "'***'"
    assert reprlib.repr({"sasl.password": secret}) == "{'sasl.password': '***'}"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("sasl.password", True),
        ("sasl.jaas.config", True),
        ("sasl.oauthbearer.config", True),
        ("sasl.oauthbearer.client.secret", True),
        ("sasl.setting.of.a.later.version", True),
        ("ssl.key.password", True),
        ("ssl.key.pem", True),
        ("ssl.keystore.password", True),
        ("sasl.mechanism", False),
        ("sasl.mechanisms", False),
        ("sasl.username", False),
        ("ssl.key.location", False),
        ("ssl.ca.pem", False),
        ("bootstrap.servers", False),
    ],
)
def test_a_setting_is_secret_by_its_name(name: str, secret: bool) -> None:  # noqa: FBT001  # the answer is the point
    assert is_secret(name) is secret
    (value,) = wrap_secrets({name: Secret("value")}).values()
    assert (value, repr(value)) == ("value", "'***'" if secret else "'value'")


OAUTH = {"sasl.oauthbearer.config": "principal=admin token=hunter2", "ssl.key.password": "hunter2 and more"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("FAIL 127.0.0.1:9: Connect failed", "FAIL 127.0.0.1:9: Connect failed", id="nothing-of-it"),
        pytest.param(
            "cannot decrypt with hunter2 and more: no", "cannot decrypt with ***: no", id="a-value-that-is-known"
        ),
        pytest.param(
            "no token: Unrecognized sasl.oauthbearer.config beginning at: token=hunter2",
            "no token: Unrecognized sasl.oauthbearer.config beginning at: ***",
            id="a-part-of-a-value-beside-the-name",
        ),
        pytest.param("conf ssl.key.password=hunter", "conf ssl.key.password= ***", id="an-assignment"),
        pytest.param("set ssl.key.password first", "set ssl.key.password first", id="a-name-alone"),
        pytest.param("sasl.example.com:9093: refused", "sasl.example.com:9093: refused", id="a-host-with-such-a-name"),
    ],
)
def test_what_a_client_says_is_redacted(text: str, expected: str) -> None:
    assert redact(text, OAUTH) == expected


def test_a_value_too_short_to_be_told_from_words_is_left_alone() -> None:
    assert redact("Connect to broker", {"sasl.password": "on"}) == "Connect to broker"


def test_of_two_values_the_longer_is_hidden_first() -> None:
    assert redact("it is hunter2extra", {"sasl.password": PASSWORD, "ssl.key.password": "hunter2extra"}) == "it is ***"


def test_neither_a_log_line_nor_who_hears_the_errors_is_told_a_secret() -> None:
    heard: list[KafkaError] = []
    log = ClientLog("test")
    log.hide(USER.secrets)
    log = log.heard_by(heard.append)
    with structlog.testing.capture_logs() as entries:
        log.log(40, "%s [%s] %s", "SASL", "rdkafka#1", f"cannot log in with {PASSWORD}")
        log.on_error(KafkaError(KafkaError._AUTHENTICATION, f"sasl.password: {PASSWORD}", True, False, True))
    assert [entry["detail"] for entry in entries] == ["SASL rdkafka#1 cannot log in with ***", "sasl.password: ***"]
    (error,) = heard
    assert (error.code(), error.str()) == (KafkaError._AUTHENTICATION, "sasl.password: ***")
    assert (error.fatal(), error.retriable(), error.txn_requires_abort()) == (True, False, True)


def test_librdkafkas_complaint_about_a_token_is_passed_on_without_it() -> None:
    connection = Connection.of(
        {
            "bootstrap.servers": NOWHERE,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "OAUTHBEARER",
            "enable.sasl.oauthbearer.unsecure.jwt": "true",
            "sasl.oauthbearer.config": f"principal=u {PASSWORD}",
        }
    )
    heard: list[str] = []
    producer = open_producer(
        connection, ClientLog("test", quiet=True, on_error=lambda error: heard.append(error.str()))
    )
    deadline = time.monotonic() + 30
    while not any("sasl.oauthbearer.config" in text for text in heard) and time.monotonic() < deadline:
        producer.poll(0.05)
    assert [text for text in heard if "oauthbearer" in text][:1] == [
        "Failed to acquire SASL OAUTHBEARER token: Unrecognized sasl.oauthbearer.config beginning at: ***"
    ]
