"""Ask a server of the stack whether it answers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import httpx
from confluent_kafka import KafkaException
from streamwarden_kafka.clients import open_admin
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.wire.settings import find_addresses

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient
    from streamwarden_kafka.connection import Connection

_PAUSE_S = 0.02
_SOON = {
    # The broker's port opens before it can authenticate: ask again soon.
    "reconnect.backoff.ms": "20",
    "reconnect.backoff.max.ms": "100",
}


async def kafka_answers(operator: Connection, brokers: int = 1) -> None:
    """Return once an authenticated metadata request was answered that names so many brokers."""
    await _listening(*find_addresses(operator)[0])
    admin = open_admin(operator, ClientLog("probe", quiet=True), _SOON)
    while await asyncio.to_thread(_count_brokers, admin) < brokers:  # noqa: ASYNC110  # the broker tells nobody
        await asyncio.sleep(_PAUSE_S)


async def registry_answers(url: str) -> None:
    """Return once the registry has listed its subjects."""
    async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(f"{url}/subjects")).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(_PAUSE_S)


async def _listening(host: str, port: int) -> None:
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return
        await asyncio.sleep(_PAUSE_S)


def _count_brokers(admin: AdminClient) -> int:
    try:
        return len(admin.list_topics(timeout=1.0).brokers)
    except KafkaException:
        return 0
