"""Kafka's protocol over aiokafka's connections: many requests side by side, and an answer or an error for each.

Of aiokafka only the connections are used. Its client asks for all topics of the cluster every few minutes, and lets a
broker create a topic that it asks for: neither is wanted of somebody who only looks. librdkafka's admin client is not
used for groups: see ``docs/decisions/2026-11-23-offsets-through-consumers.md``.
"""

import asyncio
import contextlib
import random
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import KafkaError, for_code

from streamwarden_operator.adapters.wire_settings import find_addresses, translate_security
from streamwarden_operator.errors import KafkaUnavailableError, OperatorError

NO_ERROR = 0

_CLIENT_ID = "streamwarden-operator-lags"
_LONGEST_CONNECT_S = 3.0
_IDLE_MS = 9 * 60_000
"""Brokers close idle connections after ten minutes; we are a little earlier."""

Partition = tuple[str, int]
"""Topic and number."""


class KafkaWire:
    """Connections to the brokers of one cluster, one each, made when they are needed. All calls from one event loop."""

    def __init__(self, properties: Mapping[str, str], *, timeout_s: float) -> None:
        """Prepare.

        Args:
            properties: librdkafka's configuration.
            timeout_s: longest wait for one answer.
        """
        self._properties = dict(properties)
        self._timeout_s = timeout_s
        self._arguments: dict[str, Any] | None = None
        self._bootstrap: list[tuple[str, int]] = []
        self._brokers: dict[int, tuple[str, int]] = {}
        self._connections: dict[tuple[str, int], AIOKafkaConnection] = {}
        self._locks: dict[tuple[str, int], asyncio.Lock] = {}

    def learn(self, brokers: Iterable[tuple[int, str, int]]) -> None:
        """Take note of where brokers are: node id, host, port."""
        for node, host, port in brokers:
            self._brokers[node] = (host, port)

    async def broker(self, node: int) -> "Broker":
        """Return a connected broker.

        Raises:
            KafkaUnavailableError: it cannot be reached, or nobody has heard of it.
            InvalidSpecError: the configuration cannot be used.
        """
        address = self._brokers.get(node)
        if address is None:
            raise KafkaUnavailableError(f"broker {node} is not known yet")
        return Broker(await self._connection(address))

    async def any_broker(self) -> "Broker":
        """Return some broker, a connected one if there is one.

        Raises:
            KafkaUnavailableError: none can be reached.
            InvalidSpecError: the configuration cannot be used.
        """
        self._configure()
        for connection in self._connections.values():
            if connection.connected():
                return Broker(connection)
        known = list(self._brokers.values())
        random.shuffle(known)
        error: KafkaUnavailableError | None = None
        for address in dict.fromkeys([*known, *self._bootstrap]):
            try:
                return Broker(await self._connection(address))
            except KafkaUnavailableError as found:
                error = found
        raise error or KafkaUnavailableError("no broker is known")

    async def close(self) -> None:
        """Let go of all connections."""
        closing = [connection.close() for connection in self._connections.values()]
        self._connections.clear()
        await asyncio.gather(*(future for future in closing if future is not None))

    def _configure(self) -> dict[str, Any]:
        if self._arguments is None:
            self._bootstrap = find_addresses(self._properties)
            self._arguments = translate_security(self._properties)
        return self._arguments

    async def _connection(self, address: tuple[str, int]) -> AIOKafkaConnection:
        arguments = self._configure()
        async with self._locks.setdefault(address, asyncio.Lock()):
            connection = self._connections.get(address)
            if connection is not None and connection.connected():
                return connection
            host, port = address
            try:
                async with asyncio.timeout(min(self._timeout_s, _LONGEST_CONNECT_S)):
                    made = await create_conn(
                        host,
                        port,
                        client_id=_CLIENT_ID,
                        request_timeout_ms=int(self._timeout_s * 1000),
                        max_idle_ms=_IDLE_MS,
                        **arguments,
                    )
            except (KafkaError, OSError, TimeoutError) as error:
                raise KafkaUnavailableError(f"could not connect to {host}:{port}: {_words(error)}") from error
            self._connections[address] = made
            return made


class Broker:
    """One connected broker."""

    def __init__(self, connection: AIOKafkaConnection) -> None:
        self._connection = connection

    async def ask(self, request: Any) -> Any:  # noqa: ANN401  # aiokafka has no types
        """Send one of aiokafka's requests, and return the answer; its own error codes are the caller's to look at.

        Raises:
            KafkaUnavailableError: no answer. The connection is given up, so that whoever else waits need not.
        """
        try:
            return await self._connection.send(request)
        except NotImplementedError as error:
            raise KafkaUnavailableError(f"Kafka is too new for reading lag: {error}") from error
        except (KafkaError, OSError, TimeoutError) as error:
            with contextlib.suppress(OSError):
                self._connection.close()
            where = f"{self._connection.host}:{self._connection.port}"
            raise KafkaUnavailableError(f"no answer from {where}: {_words(error)}") from error


def refusal(code: int, doing: str) -> OperatorError:
    """Return the error that a code in an answer stands for."""
    kind = for_code(code)
    return KafkaUnavailableError(f"could not {doing}: {getattr(kind, 'message', '') or kind.__name__}")


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
