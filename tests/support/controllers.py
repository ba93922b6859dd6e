"""Brokers that say who the controller is, and answer what is asked of it: as much of Kafka's protocol as that takes."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_METADATA, _API_VERSIONS, _DESCRIBE_ACLS = 3, 18, 29
_VERSIONS = {_METADATA: 4, _API_VERSIONS: 3, _DESCRIBE_ACLS: 1}
GONE = 3
"""The broker that ends all connections at once."""


class Controllers:
    """Brokers 1 and 2 answer, broker 3 is gone; each that answers says of the same one that it is the controller."""

    def __init__(self) -> None:
        self.controller = GONE
        self.tried = 0
        """How often somebody has tried to reach the broker that is gone."""
        self.asked: list[int] = []
        """The brokers that were asked for ACLs."""
        self.ports: dict[int, int] = {}

    async def refuse(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """End a connection to the broker that is gone."""
        self.tried += 1
        writer.close()

    async def serve(self, broker: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        try:
            while True:
                request = await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])
                key, _, correlation = struct.unpack_from(">hhi", request)
                answer = struct.pack(">i", correlation) + self._answer(broker, key)
                writer.write(struct.pack(">i", len(answer)) + answer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()  # cancelled: the loop ends, and Python 3.11 would log it as an error

    def _answer(self, broker: int, key: int) -> bytes:
        if key == _API_VERSIONS:
            ranges = b"".join(struct.pack(">hhhb", api, 0, newest, 0) for api, newest in _VERSIONS.items())
            return struct.pack(">hb", 0, len(_VERSIONS) + 1) + ranges + struct.pack(">ib", 0, 0)
        if key == _METADATA:
            brokers = b"".join(
                struct.pack(">i", number) + _text("127.0.0.1") + struct.pack(">ih", port, -1)
                for number, port in self.ports.items()
            )
            head = struct.pack(">ii", 0, len(self.ports)) + brokers
            return head + _text("a-cluster") + struct.pack(">ii", self.controller, 0)
        assert key == _DESCRIBE_ACLS, key
        self.asked.append(broker)
        return struct.pack(">ihhi", 0, 0, -1, 0)


@asynccontextmanager
async def controllers() -> AsyncIterator[Controllers]:
    """Run them on ports of their own."""
    made = Controllers()
    answers = (partial(made.serve, 1), partial(made.serve, 2), made.refuse)
    servers = [await asyncio.start_server(answer, "127.0.0.1", 0) for answer in answers]
    made.ports = {number: each.sockets[0].getsockname()[1] for number, each in enumerate(servers, start=1)}
    try:
        yield made
    finally:
        for server in servers:
            server.close()


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()
