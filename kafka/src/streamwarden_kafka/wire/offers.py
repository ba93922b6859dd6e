"""Which requests a broker answers, and in which versions: what it says of itself before anybody logs in."""

from collections.abc import Mapping
from dataclasses import replace

from streamwarden_kafka.connection import Connection, Protocol
from streamwarden_kafka.wire.connections import Wire

_OF_LOGINS = ("sasl.", "enable.sasl.")


async def offered_versions(connection: Connection, client_id: str, *, timeout_s: float) -> Mapping[int, int]:
    """Return the highest version of each request, by API key, that some broker answers. Nobody logs in for it.

    Raises:
        BrokerUnavailableError: no broker says so.
        ConnectionSettingsError: the configuration cannot be used.
    """
    async with Wire(_without_login(connection), client_id, timeout_s=timeout_s) as wire:
        return (await wire.any_broker()).offers


def _without_login(connection: Connection) -> Connection:
    protocol = Protocol.SSL if connection.protocol.endswith("SSL") else Protocol.PLAINTEXT
    options = {name: value for name, value in connection.options.items() if not name.startswith(_OF_LOGINS)}
    return replace(connection, protocol=protocol, mechanism="", username="", password="", options=options)
