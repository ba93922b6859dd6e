"""Ask a server of the stack whether it answers."""

from __future__ import annotations

import asyncio
import contextlib

import httpx
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

_PAUSE_S = 0.02
_QUIET: dict[str, str | int | float | bool] = {
    "log_level": "0",
    # The broker's port opens before it can authenticate: ask again soon.
    "reconnect.backoff.ms": "20",
    "reconnect.backoff.max.ms": "100",
}


async def kafka_answers(operator_properties: dict[str, str]) -> None:
    """Return once the broker has answered an authenticated metadata request and names itself in it."""
    host, _, port = operator_properties["bootstrap.servers"].partition(":")
    await _listening(host, int(port))
    # The partitioner is a producer's; an admin client would only warn of it.
    properties = dict(_QUIET)
    properties.update((key, value) for key, value in operator_properties.items() if key != "partitioner")
    admin = AdminClient(properties)
    # An unanswered request takes its own time: no pause in between.
    while not await asyncio.to_thread(_has_brokers, admin):
        pass


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


def _has_brokers(admin: AdminClient) -> bool:
    try:
        return bool(admin.list_topics(timeout=1.0).brokers)
    except KafkaException:
        return False
