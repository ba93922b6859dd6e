"""Whether a Kafka takes the settings of a person at all: clients that read wait for ever, and without a word."""

import asyncio
import time
from collections.abc import Callable

from aiokafka.protocol.metadata import MetadataRequest

from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError, LoginRefusedError, MechanismNotOfferedError
from streamwarden_kafka.wire.connections import Wire

_AGAIN_S = 0.5
_REQUEST_S = 5.0


async def reach(connection: Connection, client_id: str, *, patience_s: float, waits: Callable[[str], None]) -> None:
    """Wait until a broker has answered as this user; a login that it refuses is refused at once.

    Args:
        connection: the Kafka, and the user.
        client_id: what brokers know us by.
        patience_s: how long an answer is waited for.
        waits: told once, why, where the first try has no answer.

    Raises:
        LoginRefusedError: a broker does not take the user or the password.
        MechanismNotOfferedError: it takes no logins of this kind.
        BrokerUnavailableError: none has answered; the message says what the last try came to.
        ConnectionSettingsError: this client cannot use the settings. Others may.
    """
    until, told = time.monotonic() + patience_s, False
    async with Wire(connection, client_id, timeout_s=_REQUEST_S) as wire:
        while True:
            try:
                # A listener that wants a login lets anybody connect, and answers nothing.
                await wire.ask_any(MetadataRequest([], allow_auto_topic_creation=False))
            except (LoginRefusedError, MechanismNotOfferedError):
                raise
            except BrokerUnavailableError as error:
                if time.monotonic() >= until:
                    raise
                if not told:
                    told = True
                    waits(str(error))
                await asyncio.sleep(_AGAIN_S)
            else:
                return
