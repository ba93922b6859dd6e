from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import NameOID
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import ConnectionSettingsError
from streamwarden_kafka.wire import settings

if TYPE_CHECKING:
    from pathlib import Path

SCRAM = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "operator", "sasl.password": "hush"}


def translate_security(properties: dict[str, str]) -> dict[str, Any]:
    return settings.translate_security(Connection.of({"bootstrap.servers": "a:1", **properties}))


def find_addresses(properties: dict[str, str]) -> list[tuple[str, int]]:
    return settings.find_addresses(Connection.of(properties))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A certificate of its own, as CA and as client, and its encrypted key."""
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kafka")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None)
    )
    pem = certificate.public_bytes(Encoding.PEM)
    (tmp_path / "ca.pem").write_bytes(pem)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "key.pem").write_bytes(encrypted)
    return {"ca": str(tmp_path / "ca.pem"), "key": str(tmp_path / "key.pem"), "pem": pem.decode()}


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        pytest.param({}, {"security_protocol": "PLAINTEXT"}, id="librdkafka-s-default"),
        pytest.param(
            {"security.protocol": "sasl_plaintext", **SCRAM, "partitioner": "murmur2_random", "linger.ms": "5"},
            {
                "security_protocol": "SASL_PLAINTEXT",
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_plain_username": "operator",
                "sasl_plain_password": "hush",
            },
            id="what-only-tunes-is-passed-over",
        ),
        pytest.param(
            {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "PLAIN", **dict(list(SCRAM.items())[1:])},
            {
                "security_protocol": "SASL_PLAINTEXT",
                "sasl_mechanism": "PLAIN",
                "sasl_plain_username": "operator",
                "sasl_plain_password": "hush",
            },
            id="the-other-name-of-the-mechanism",
        ),
    ],
)
def test_security_is_translated(properties: dict[str, str], expected: dict[str, str]) -> None:
    assert translate_security(properties) == expected


@pytest.mark.slow
def test_tls_checks_the_broker_by_the_ca_and_its_name(files: dict[str, str]) -> None:
    for ca in ({"ssl.ca.location": files["ca"]}, {"ssl.ca.pem": files["pem"]}):
        found = translate_security({"security.protocol": "SASL_SSL", **SCRAM, **ca})
        context = found["ssl_context"]
        assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
        assert [cert["serialNumber"] for cert in context.get_ca_certs()] == ["07"]


def test_tls_with_a_client_certificate(files: dict[str, str]) -> None:
    own = {"ssl.certificate.location": files["ca"], "ssl.key.location": files["key"], "ssl.key.password": "secret"}
    found = translate_security({"security.protocol": "ssl", "ssl.ca.location": files["ca"], **own})
    assert found.keys() == {"security_protocol", "ssl_context"}


@pytest.mark.slow
def test_checks_are_left_out_only_where_that_is_said(files: dict[str, str]) -> None:
    tls = {"security.protocol": "SSL", "ssl.ca.location": files["ca"]}
    by_name = translate_security({**tls, "ssl.endpoint.identification.algorithm": "none"})["ssl_context"]
    assert (by_name.check_hostname, by_name.verify_mode) == (False, ssl.CERT_REQUIRED)
    at_all = translate_security({**tls, "enable.ssl.certificate.verification": "false"})["ssl_context"]
    assert (at_all.check_hostname, at_all.verify_mode) == (False, ssl.CERT_NONE)


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        pytest.param({"security.protocol": "TLS"}, "'TLS' is none of", id="no-such-protocol"),
        pytest.param(
            {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"},
            "cannot be read with 'OAUTHBEARER', as yet, but with PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
            id="oauth",
        ),
        pytest.param({"security.protocol": "SASL_PLAINTEXT"}, "'GSSAPI'", id="librdkafka-s-default-mechanism"),
        pytest.param(
            {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "operator"},
            "sasl.password: PLAIN needs it",
            id="half-of-the-credentials",
        ),
        pytest.param({"ssl.keystore.location": "/store"}, "ssl.keystore.location: lag cannot", id="a-key-store"),
        pytest.param(
            {"security.protocol": "SSL", "ssl.ca.location": "/absent"},
            "ssl.ca.location: No such file",
            id="no-such-file",
        ),
        pytest.param({"security.protocol": "SSL", "ssl.ca.pem": "no pem"}, "ssl.ca.pem: ", id="no-certificate"),
    ],
)
def test_what_cannot_be_translated_is_named_and_no_secret_is(properties: dict[str, str], message: str) -> None:
    with pytest.raises(ConnectionSettingsError) as caught:
        translate_security({**properties, "ssl.key.password": "hush"})
    assert message in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_wrong_key_password_is_told_without_it(files: dict[str, str]) -> None:
    own = {"ssl.certificate.location": files["ca"], "ssl.key.location": files["key"], "ssl.key.password": "hush"}
    with pytest.raises(ConnectionSettingsError, match=r"ssl.certificate.location: ") as caught:
        translate_security({"security.protocol": "SSL", **own})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a:1,b:2", [("a", 1), ("b", 2)], id="a-list"),
        pytest.param(" SASL_SSL://kafka.ns.svc:9093 ,", [("kafka.ns.svc", 9093)], id="with-a-scheme-and-blanks"),
        pytest.param("[::1]:9092", [("::1", 9092)], id="ipv6"),
    ],
)
def test_addresses_are_found(text: str, expected: list[tuple[str, int]]) -> None:
    assert find_addresses({"bootstrap.servers": text}) == expected
    assert find_addresses({"metadata.broker.list": text}) == expected


@pytest.mark.parametrize("text", [pytest.param("", id="none"), pytest.param("kafka", id="without-a-port")])
def test_addresses_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ConnectionSettingsError, match=r"bootstrap\.servers"):
        find_addresses({"bootstrap.servers": text})
