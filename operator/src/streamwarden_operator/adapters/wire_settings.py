"""librdkafka's security settings as aiokafka's: the operator is configured once, in librdkafka's words."""

import ssl
from collections.abc import Mapping
from typing import Any

from streamwarden_operator.errors import InvalidSpecError

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_KNOWN = frozenset(
    {
        "security.protocol",
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.username",
        "sasl.password",
        "ssl.ca.location",
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


def find_addresses(properties: Mapping[str, str]) -> list[tuple[str, int]]:
    """Return the hosts and ports to begin with.

    Raises:
        InvalidSpecError: none is named, or one cannot be read.
    """
    text = properties.get("bootstrap.servers") or properties.get("metadata.broker.list") or ""
    addresses: list[tuple[str, int]] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = entry.rpartition("://")[2].rpartition(":")
        if not host or not port.isdecimal():
            raise InvalidSpecError(f"bootstrap.servers: {entry!r} is no 'host:port'")
        addresses.append((host.strip("[]"), int(port)))
    if not addresses:
        raise InvalidSpecError("bootstrap.servers names no broker")
    return addresses


def translate_security(properties: Mapping[str, str]) -> dict[str, Any]:
    """Return the security arguments of aiokafka's connections. Files are read now.

    Raises:
        InvalidSpecError: a security setting has no translation, or a file cannot be read. Names the setting, never its
            value where that may be a secret.
    """
    unknown = sorted(name for name in properties if name.startswith(_SECURITY) and name not in _KNOWN)
    if unknown:
        raise InvalidSpecError(f"{', '.join(unknown)}: lag cannot be read with such a setting, as yet")
    protocol = properties.get("security.protocol", "plaintext").upper()
    if protocol not in _PROTOCOLS:
        raise InvalidSpecError(f"security.protocol: {protocol!r} is none of {', '.join(_PROTOCOLS)}")
    arguments: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        arguments["ssl_context"] = _tls(properties)
    if protocol.startswith("SASL"):
        arguments |= _sasl(properties)
    return arguments


def _sasl(properties: Mapping[str, str]) -> dict[str, str]:
    mechanism = properties.get("sasl.mechanism") or properties.get("sasl.mechanisms") or "GSSAPI"
    if mechanism not in _MECHANISMS:
        supported = ", ".join(_MECHANISMS)
        raise InvalidSpecError(f"sasl.mechanism: lag cannot be read with {mechanism!r}, as yet, but with {supported}")
    missing = [name for name in ("sasl.username", "sasl.password") if not properties.get(name)]
    if missing:
        raise InvalidSpecError(f"{' and '.join(missing)}: {mechanism} needs it")
    return {
        "sasl_mechanism": mechanism,
        "sasl_plain_username": properties["sasl.username"],
        "sasl_plain_password": properties["sasl.password"],
    }


def _tls(properties: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    setting = ""
    try:
        if path := properties.get(setting := "ssl.ca.location"):
            if path != "probe":  # librdkafka's word for what the default context has
                context = ssl.create_default_context(cafile=path)
        elif pem := properties.get(setting := "ssl.ca.pem"):
            context = ssl.create_default_context(cadata=pem)
        if path := properties.get(setting := "ssl.certificate.location"):
            key = properties.get("ssl.key.location")
            context.load_cert_chain(path, key, properties.get("ssl.key.password"))
    except OSError as error:  # what ssl raises is one too
        raise InvalidSpecError(f"{setting}: {error.strerror or type(error).__name__}") from error
    context.check_hostname = properties.get("ssl.endpoint.identification.algorithm", "https").lower() == "https"
    if properties.get("enable.ssl.certificate.verification", "true").lower() in _FALSE:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
