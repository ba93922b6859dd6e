"""Kafka's protocol over aiokafka's connections: many requests side by side, and an answer or an error for each.

Of aiokafka only the connections are used. Its client asks for all topics of the cluster every few minutes, and lets a
broker create a topic that it asks for: neither is wanted of somebody who only looks. librdkafka's admin client is not
used for groups: see ``docs/decisions/2026-11-23-offsets-through-consumers.md``.
"""

import asyncio
import contextlib
import random
from collections.abc import Iterable, Mapping
from typing import Any, Self

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IncompatibleBrokerVersion,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    for_code,
)

from streamwarden_kafka.codes import FORBIDDEN, SPREADING
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import (
    BrokerUnavailableError,
    KafkaClientError,
    LoginRefusedError,
    MechanismNotOfferedError,
    NotAuthorizedError,
    NotSpreadError,
)
from streamwarden_kafka.outcomes import OnAnswered, ignore
from streamwarden_kafka.wire.answers import CONNECT, outcome_of, request_name
from streamwarden_kafka.wire.settings import find_addresses, translate_security

NO_ERROR = 0

_LONGEST_CONNECT_S = 3.0
_IDLE_MS = 9 * 60_000
"""Brokers close idle connections after ten minutes; we are a little earlier."""


class Wire:
    """Connections to the brokers of one cluster, one each, made when they are needed. All calls from one event loop.

    Closed at its end where it is used with ``async with``.
    """

    def __init__(
        self, connection: Connection, client_id: str, *, timeout_s: float, on_answered: OnAnswered = ignore
    ) -> None:
        """Prepare.

        Args:
            connection: the Kafka, and the user.
            client_id: what brokers know us by.
            timeout_s: longest wait for one answer.
            on_answered: called after each request, and each try to connect.
        """
        self._connection = connection
        self._client_id = client_id
        self._timeout_s = timeout_s
        self._on_answered = on_answered
        self._arguments: dict[str, Any] | None = None
        self._bootstrap: list[tuple[str, int]] = []
        self._brokers: dict[int, tuple[str, int]] = {}
        self._connections: dict[tuple[str, int], AIOKafkaConnection] = {}
        self._locks: dict[tuple[str, int], asyncio.Lock] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def learn(self, brokers: Iterable[tuple[int, str, int]]) -> None:
        """Take note of where brokers are: node id, host, port."""
        for node, host, port in brokers:
            self._brokers[node] = (host, port)

    async def broker(self, node: int) -> "Broker":
        """Return a connected broker.

        Raises:
            BrokerUnavailableError: it cannot be reached, or nobody has heard of it.
            ConnectionSettingsError: the configuration cannot be used.
        """
        address = self._brokers.get(node)
        if address is None:
            raise BrokerUnavailableError(f"broker {node} is not known yet")
        return Broker(await self._connect(address), self._on_answered)

    async def any_broker(self) -> "Broker":
        """Return some broker, a connected one if there is one.

        Raises:
            BrokerUnavailableError: none can be reached; a ``LoginRefusedError`` where the last one does not take us.
            ConnectionSettingsError: the configuration cannot be used.
        """
        self._configure()
        for connection in self._connections.values():
            if connection.connected():
                return Broker(connection, self._on_answered)
        known = list(self._brokers.values())
        random.shuffle(known)
        error: BrokerUnavailableError | None = None
        for address in dict.fromkeys([*known, *self._bootstrap]):
            try:
                return Broker(await self._connect(address), self._on_answered)
            except BrokerUnavailableError as found:
                error = found
        raise error or BrokerUnavailableError("no broker is known")

    async def ask_any(self, request: Any) -> Any:  # noqa: ANN401  # aiokafka has no types
        """Ask some broker, and once more another one where it gives no answer: for what changes nothing.

        Raises:
            BrokerUnavailableError: no answer; a ``LoginRefusedError`` where the last one does not take us.
            ConnectionSettingsError: the configuration cannot be used.
        """
        try:
            return await (await self.any_broker()).ask(request)
        except BrokerUnavailableError:
            return await (await self.any_broker()).ask(request)

    async def close(self) -> None:
        """Let go of all connections."""
        closing = [connection.close() for connection in self._connections.values()]
        self._connections.clear()
        await asyncio.gather(*(future for future in closing if future is not None))

    def _configure(self) -> dict[str, Any]:
        if self._arguments is None:
            self._bootstrap = find_addresses(self._connection)
            self._arguments = translate_security(self._connection)
        return self._arguments

    async def _connect(self, address: tuple[str, int]) -> AIOKafkaConnection:
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
                        client_id=self._client_id,
                        request_timeout_ms=int(self._timeout_s * 1000),
                        max_idle_ms=_IDLE_MS,
                        **arguments,
                    )
            except (AuthenticationFailedError, SaslAuthenticationFailed) as error:
                self._on_answered(CONNECT, "refused")
                raise LoginRefusedError(f"could not log in at {host}:{port}: {_words(error)}") from error
            except UnsupportedSaslMechanismError as error:
                self._on_answered(CONNECT, "refused")
                mechanism = self._connection.mechanism
                raise MechanismNotOfferedError(f"{host}:{port} takes no logins by {mechanism}") from error
            except (KafkaError, OSError, TimeoutError) as error:
                self._on_answered(CONNECT, "no_answer")
                raise BrokerUnavailableError(f"could not connect to {host}:{port}: {_words(error)}") from error
            self._on_answered(CONNECT, "ok")
            self._connections[address] = made
            return made


class Broker:
    """One connected broker."""

    def __init__(self, connection: AIOKafkaConnection, on_answered: OnAnswered = ignore) -> None:
        self._connection = connection
        self._on_answered = on_answered

    @property
    def offers(self) -> dict[int, int]:
        """The highest version of each request that it answers, by API key: it was asked when the connection began.

        Kafka closes a connection on which it is asked twice before a login.
        """
        return {key: highest for key, (_, highest) in self._versions.items()}

    @property
    def _versions(self) -> Mapping[int, tuple[int, int]]:
        """Lowest and highest."""
        found: Mapping[int, tuple[int, int]] = self._connection._versions  # noqa: SLF001  # it shows them in no other way
        return found

    async def ask(self, request: Any) -> Any:  # noqa: ANN401  # aiokafka has no types
        """Send one of aiokafka's requests, and return the answer; its own error codes are the caller's to look at.

        Raises:
            BrokerUnavailableError: no answer. The connection is given up, so that whoever else waits need not.
                It goes on where nothing was asked, as the broker is too old for that, or too new.
        """
        name = request_name(request)
        try:
            answer = await self._connection.send(request)
        except (NotImplementedError, IncompatibleBrokerVersion) as error:
            self._on_answered(name, "no_answer")
            raise BrokerUnavailableError(self._why_not(request, name)) from error
        except (KafkaError, OSError, TimeoutError) as error:
            self._on_answered(name, "no_answer")
            with contextlib.suppress(OSError):
                self._connection.close()
            where = f"{self._connection.host}:{self._connection.port}"
            raise BrokerUnavailableError(f"no answer from {where}: {_words(error)}") from error
        self._on_answered(name, outcome_of(answer))
        return answer

    def _why_not(self, request: Any, name: str) -> str:  # noqa: ANN401  # aiokafka has no types
        """Say why a request cannot be made in any version that both sides know."""
        ours = sorted(each.API_VERSION for each in request._CLASSES)  # noqa: SLF001  # it shows them in no other way
        lowest, highest = self._versions.get(request.API_KEY, (-1, -1))
        if highest < 0:
            return f"Kafka is too old, or leaves out what is needed: it does not answer {name}"
        age = "new" if lowest > ours[-1] else "old"
        offered, needed = _versions(lowest, highest), _versions(ours[0], ours[-1])
        return f"Kafka is too {age}: it answers {name} in {offered}, and is asked in {needed}"


def refusal(code: int, doing: str) -> KafkaClientError:
    """Return the error that a code in an answer stands for."""
    kind = for_code(code)
    for_now = NotSpreadError if code in SPREADING else BrokerUnavailableError
    ours = NotAuthorizedError if code in FORBIDDEN else for_now
    return ours(f"could not {doing}: {getattr(kind, 'message', '') or kind.__name__}")


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _versions(lowest: int, highest: int) -> str:
    return f"version {lowest}" if lowest == highest else f"versions {lowest} to {highest}"
