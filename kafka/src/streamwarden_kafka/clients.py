"""Kafka's clients by role. What a role needs stands here; what one use of it needs is passed along.

A partitioner is a producer's affair: a consumer or an admin client would warn about it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from streamwarden_kafka.codes import error_of
from streamwarden_kafka.connection import PARTITIONER, Connection
from streamwarden_kafka.errors import ConnectionSettingsError
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.redaction import redact

Settings = Mapping[str, object]
"""In librdkafka's words."""

NO_SETTINGS: Settings = {}

ONE_BATCH: Settings = {"fetch.message.max.bytes": 1, "queued.min.messages": 1}
"""Of a consumer that gets one batch a request: brokers send it whole, however large."""

COORDINATOR_TIMEOUT_S = 300.0
"""The time-out of an admin client's request to a coordinator. Who asks waits by itself, as long as it likes: where
such a request times out that still looks for its coordinator, librdkafka (2.16) ends the process."""

_CERTIFICATES = ("ssl.ca.location", "ssl.certificate.location")
"""Settings that name a file with certificates, each of which says so in a line of its own (PEM)."""

_FILES = (*_CERTIFICATES, "ssl.key.location", "ssl.keystore.location", "ssl.crl.location")
"""Settings that name a file which must be there; librdkafka says it in OpenSSL's words."""

_CONSUMER: Settings = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "isolation.level": "read_committed",
}
"""Whoever reads says itself how far it has come, and sees only what is committed."""


def open_producer(connection: Connection, log: ClientLog, settings: Settings = NO_SETTINGS) -> Producer:
    """Make a producer; it connects by itself."""
    return Producer(_build(connection, log, {"partitioner": PARTITIONER}, settings), logger=log)


def open_consumer(connection: Connection, group: str, log: ClientLog, settings: Settings = NO_SETTINGS) -> Consumer:
    """Make a consumer that commits nothing by itself and reads what is committed.

    Args:
        connection: the Kafka, and the user.
        group: its group. librdkafka wants a name, also of who never joins and never commits.
        log: hears it.
        settings: where to begin (``auto.offset.reset``) and all else that this use needs.
    """
    return Consumer(_build(connection, log, {**_CONSUMER, "group.id": group}, settings), logger=log)


def open_admin(connection: Connection, log: ClientLog, settings: Settings = NO_SETTINGS) -> AdminClient:
    """Make an admin client; it connects by itself."""
    return AdminClient(_build(connection, log, NO_SETTINGS, settings), logger=log)


def check_settings(connection: Connection) -> None:
    """Find out whether a client can be made with these settings; nothing is connected.

    Raises:
        ConnectionSettingsError: says what librdkafka does not take, with the setting's name and no secret; of a file
            that cannot be read which one it is, and why.
    """
    _check_files(connection.librdkafka())
    fault = _refusal(connection)
    if fault is None:
        return
    # Of some settings it does not say the name: one that is refused alone, in the same words, is meant.
    settings = connection.librdkafka()
    meant = next((name for name, value in settings.items() if name not in fault and _is_meant(name, value, fault)), "")
    raise ConnectionSettingsError(f"{meant}: {fault}" if meant else fault)


def _check_files(settings: Mapping[str, str]) -> None:
    for name in _FILES:
        path = settings.get(name, "")
        if not path or path == "probe" or Path(path).is_dir():  # librdkafka looks for certificates there by itself
            continue
        try:
            text = Path(path).read_bytes()
        except OSError as error:
            raise ConnectionSettingsError(f"{name}: {path} cannot be read: {error.strerror}") from error
        if name in _CERTIFICATES and b"-----BEGIN " not in text:
            raise ConnectionSettingsError(f"{name}: {path} has no certificate in PEM: no line '-----BEGIN CERTIFICATE'")


def _is_meant(name: str, value: str, fault: str) -> bool:
    return name != "bootstrap.servers" and _refusal(Connection("127.0.0.1:9", options={name: value})) == fault


def _refusal(connection: Connection) -> str | None:
    try:
        open_admin(connection, ClientLog("settings", quiet=True))
    except KafkaException as error:
        return redact(error_of(error).str(), connection.secrets)
    return None


def _build(connection: Connection, log: ClientLog, role: Settings, own: Settings) -> dict[str, Any]:
    log.hide(connection.secrets)
    return {**connection.librdkafka(), **role, **own, "error_cb": log.on_error}
