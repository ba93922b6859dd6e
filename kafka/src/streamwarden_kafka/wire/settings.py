"""A connection's security as aiokafka's arguments: people configure it once, in librdkafka's words."""

import ssl
from typing import Any

from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import ConnectionSettingsError

_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_KNOWN = frozenset(
    {
        "ssl.ca.pem",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
        "ssl.endpoint.identification.algorithm",
        "enable.ssl.certificate.verification",
    }
)
_SECURITY = ("security.", "sasl.", "ssl.", "enable.ssl.", "enable.sasl.")
"""Prefixes of settings that must not be passed over; all others only tune librdkafka."""
_FALSE = frozenset({"false", "f", "0", "no", "off"})


def find_addresses(connection: Connection) -> list[tuple[str, int]]:
    """Return the hosts and ports to begin with.

    Raises:
        ConnectionSettingsError: none is named, or one cannot be read.
    """
    addresses: list[tuple[str, int]] = []
    for entry in filter(None, (part.strip() for part in connection.bootstrap_servers.split(","))):
        host, _, port = entry.rpartition("://")[2].rpartition(":")
        if not host or not port.isdecimal():
            raise ConnectionSettingsError(f"bootstrap.servers: {entry!r} is no 'host:port'")
        addresses.append((host.strip("[]"), int(port)))
    if not addresses:
        raise ConnectionSettingsError("bootstrap.servers names no broker")
    return addresses


def translate_security(connection: Connection) -> dict[str, Any]:
    """Return the security arguments of aiokafka's connections. Files are read now.

    Raises:
        ConnectionSettingsError: a security setting has no translation, or a file cannot be read. Names the setting,
            never its value where that may be a secret.
    """
    unknown = sorted(name for name in connection.options if name.startswith(_SECURITY) and name not in _KNOWN)
    if unknown:
        raise ConnectionSettingsError(f"{', '.join(unknown)}: lag cannot be read with such a setting, as yet")
    arguments: dict[str, Any] = {"security_protocol": connection.protocol.value}
    if connection.protocol.endswith("SSL"):
        arguments["ssl_context"] = _tls(connection)
    if connection.protocol.startswith("SASL"):
        arguments |= _sasl(connection)
    return arguments


def _sasl(connection: Connection) -> dict[str, str]:
    mechanism = connection.mechanism or "GSSAPI"
    if mechanism not in _MECHANISMS:
        supported = ", ".join(_MECHANISMS)
        raise ConnectionSettingsError(
            f"sasl.mechanism: lag cannot be read with {mechanism!r}, as yet, but with {supported}"
        )
    needed = {"sasl.username": connection.username, "sasl.password": connection.password}
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise ConnectionSettingsError(f"{' and '.join(missing)}: {mechanism} needs it")
    return {
        "sasl_mechanism": mechanism,
        "sasl_plain_username": connection.username,
        "sasl_plain_password": connection.password,
    }


def _tls(connection: Connection) -> ssl.SSLContext:
    options = {"ssl.ca.location": connection.ca_location, **connection.options}
    context = ssl.create_default_context()
    setting = ""
    try:
        if path := options.get(setting := "ssl.ca.location"):
            if path != "probe":  # librdkafka's word for what the default context has
                context = ssl.create_default_context(cafile=path)
        elif pem := options.get(setting := "ssl.ca.pem"):
            context = ssl.create_default_context(cadata=pem)
        if path := options.get(setting := "ssl.certificate.location"):
            key = options.get("ssl.key.location")
            context.load_cert_chain(path, key, options.get("ssl.key.password"))
    except OSError as error:  # what ssl raises is one too
        raise ConnectionSettingsError(f"{setting}: {error.strerror or type(error).__name__}") from error
    context.check_hostname = options.get("ssl.endpoint.identification.algorithm", "https").lower() == "https"
    if options.get("enable.ssl.certificate.verification", "true").lower() in _FALSE:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
