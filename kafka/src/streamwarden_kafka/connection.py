"""Where a Kafka is, and who we are there: one value for everything that connects. Its secrets are in no ``repr``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from typing_extensions import override

from streamwarden_kafka.errors import ConnectionSettingsError, MalformedPropertiesError
from streamwarden_kafka.redaction import Secret, is_secret, wrap_secrets

CLIENT_PROPERTIES_FILE = "client.properties"
"""Its name beside other credentials: a Secret's key, and a file where that is mounted."""

PARTITIONER = "murmur2_random"
"""librdkafka's own default puts most keys elsewhere than Kafka's Java clients do (measured: 188 of 204)."""

_SETTING_NAME = re.compile(r"[A-Za-z0-9._-]+")
"""Anything else before the first ``=`` may be a secret, as in ``sasl.password: abc=``: it is never repeated."""

_SERVERS = ("bootstrap.servers", "metadata.broker.list")
_MECHANISMS = ("sasl.mechanism", "sasl.mechanisms")
_SCRAM_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"
_PLAIN_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


class Protocol(StrEnum):
    """Kafka's security protocols."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


SCRAM_SHA_256 = "SCRAM-SHA-256"
SCRAM_SHA_512 = "SCRAM-SHA-512"
SCRAM_MECHANISMS = (SCRAM_SHA_512, SCRAM_SHA_256)
"""All that Kafka knows: a user may have a password of each, and they have nothing to do with one another."""


class ClientFormat(StrEnum):
    """Whose configuration to write."""

    LIBRDKAFKA = "librdkafka"
    JAVA = "java"


@dataclass(frozen=True, slots=True, repr=False)
class Connection:
    """A Kafka cluster and a user of it."""

    bootstrap_servers: str
    """``host:port``, separated by commas."""
    protocol: Protocol = Protocol.PLAINTEXT
    mechanism: str = ""
    """Of SASL, as in ``SCRAM-SHA-512``; empty: none."""
    username: str = ""
    password: str = ""
    ca_location: str = ""
    """File with the certificates that brokers' are signed by (PEM); empty: those of the system."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Everything else, in librdkafka's words. It may hold secrets too."""

    def __post_init__(self) -> None:
        """Wrap what is secret, so that it is in no traceback either."""
        object.__setattr__(self, "password", Secret(self.password))
        object.__setattr__(self, "options", wrap_secrets(self.options))

    @override
    def __repr__(self) -> str:
        return f"Connection({self.bootstrap_servers!r}, {self.protocol.value}, user={self.username!r})"

    @classmethod
    def scram(
        cls, bootstrap_servers: str, username: str, password: str, mechanism: str = SCRAM_SHA_512
    ) -> "Connection":
        """Name a user with a SCRAM password."""
        password = Secret(password)
        return cls(bootstrap_servers, Protocol.SASL_PLAINTEXT, mechanism, username, password)

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> "Connection":
        """Take librdkafka's properties. A partitioner is passed over: producers have ours.

        Raises:
            ConnectionSettingsError: no server is named, or the protocol is none of Kafka's.
        """
        properties = wrap_secrets(properties)
        left = {name: value for name, value in properties.items() if name != "partitioner"}
        servers = [left.pop(name, "") for name in _SERVERS]
        mechanisms = [left.pop(name, "") for name in _MECHANISMS]
        if not any(servers):
            raise ConnectionSettingsError("bootstrap.servers is missing")
        protocol = left.pop("security.protocol", Protocol.PLAINTEXT).upper()
        if protocol not in list(Protocol):
            raise ConnectionSettingsError(f"security.protocol: {protocol!r} is none of {', '.join(Protocol)}")
        return cls(
            bootstrap_servers=next(filter(None, servers)),
            protocol=Protocol(protocol),
            mechanism=next(filter(None, mechanisms), ""),
            username=left.pop("sasl.username", ""),
            password=left.pop("sasl.password", ""),
            ca_location=left.pop("ssl.ca.location", ""),
            options=left,
        )

    @classmethod
    def parse(cls, text: str) -> "Connection":
        """Take the text of a client's properties file.

        Raises:
            ConnectionSettingsError: as for ``of``, or a line without ``=`` or without a name.
        """
        text = Secret(text)
        return cls.of(parse_properties(text))

    @classmethod
    def read(cls, path: Path) -> "Connection":
        """Read a client's properties file.

        Raises:
            ConnectionSettingsError: it cannot be read, or as for ``parse``. The message begins with the path.
        """
        try:
            text = _read_utf8(path)
        except OSError as error:
            raise ConnectionSettingsError(f"{path} cannot be read: {error.strerror}") from error
        if text is None:
            raise ConnectionSettingsError(f"{path} cannot be read: it is not UTF-8")
        try:
            return cls.parse(text)
        except MalformedPropertiesError as error:
            raise ConnectionSettingsError(f"{path}, {error}") from error
        except ConnectionSettingsError as error:
            raise ConnectionSettingsError(f"{path}: {error}") from error

    def as_user(self, username: str, password: str) -> "Connection":
        """Return the same Kafka for another user."""
        password = Secret(password)
        return replace(self, username=username, password=password)

    @property
    def secrets(self) -> dict[str, str]:
        """The settings that must not be repeated of anything that a client says, by name."""
        return {name: value for name, value in self.librdkafka().items() if is_secret(name)}

    def librdkafka(self) -> dict[str, str]:
        """Return librdkafka's properties for clients of any role; those that are secret hide it from tracebacks."""
        settings = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.protocol.value,
            "sasl.mechanism": self.mechanism,
            "sasl.username": self.username,
            "sasl.password": self.password,
            "ssl.ca.location": self.ca_location,
        }
        return {name: value for name, value in settings.items() if value} | dict(self.options)

    def render(self, style: ClientFormat = ClientFormat.LIBRDKAFKA) -> str:
        """Write a client's properties file; it holds the password.

        Raises:
            ConnectionSettingsError: a value would be read back as another one, or as a further setting.
        """
        pairs = self.librdkafka() | {"partitioner": PARTITIONER} if style is ClientFormat.LIBRDKAFKA else self._java()
        for name, value in pairs.items():
            if value != value.strip() or not value.isprintable():
                raise ConnectionSettingsError(f"{name}: blanks at an end and control characters cannot be written")
        return "".join(f"{name}={value}\n" for name, value in pairs.items())

    def _java(self) -> dict[str, str]:
        """Return the properties of Kafka's Java clients. A properties file takes a backslash twice."""
        pairs = {"bootstrap.servers": self.bootstrap_servers, "security.protocol": self.protocol.value}
        if self.mechanism:
            module = _PLAIN_MODULE if self.mechanism == "PLAIN" else _SCRAM_MODULE
            login = Secret(f"username={_quoted(self.username)} password={_quoted(self.password)}")
            pairs["sasl.mechanism"] = self.mechanism
            pairs["sasl.jaas.config"] = Secret(f"{module} required {login};")
        if self.ca_location:
            pairs |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": self.ca_location}
        return wrap_secrets({name: value.replace("\\", "\\\\") for name, value in pairs.items()})


def parse_properties(text: str) -> dict[str, str]:
    """Read settings, one ``name=value`` a line; blank lines and those that begin with ``#`` are passed over.

    Raises:
        MalformedPropertiesError: a line without ``=`` or without a name.
    """
    text = Secret(text)
    properties: dict[str, str] = {}
    # Not splitlines: it splits at characters that may be part of a value.
    for number, line in enumerate(map(Secret, text.split("\n")), start=1):
        if not line.strip() or line.strip().startswith("#"):
            continue
        name, separator, value = map(Secret, line.partition("="))
        if not separator or not _SETTING_NAME.fullmatch(name.strip()):
            raise MalformedPropertiesError(number)
        properties[name.strip()] = Secret(value.strip())
    return wrap_secrets(properties)


def _read_utf8(path: Path) -> Secret | None:
    """Return a file's text, or None: the error of what is no UTF-8 holds all of the file."""
    try:
        return Secret(path.read_text("utf-8"))
    except UnicodeDecodeError:
        return None


def _quoted(text: str) -> str:
    """Quote a value of a JAAS configuration."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
