"""The proxy as one object: it listens inside ``async with``."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from typing_extensions import override

from streamwarden_devstack.ports import LOOPBACK
from streamwarden_devstack.proxy.faults import Action, Fault
from streamwarden_devstack.proxy.frames import answer_correlation, read_frame, request_head
from streamwarden_devstack.startable import Startable

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from streamwarden_kafka.connection import Connection

    from streamwarden_devstack.proxy.routes import Route

_BUFFER = 1024 * 1024


class Proxy(Startable):
    """Carries each route's connections, and lets orders befall the answers. Orders are given from any thread."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = tuple(routes)
        self._faults: tuple[Fault, ...] = ()
        self._servers: list[asyncio.Server] = []
        self._carried: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect."""
        return ",".join(f"{LOOPBACK}:{route.listen}" for route in self._routes)

    def connection(self, direct: Connection) -> Connection:
        """Return the same user's connection through the proxy."""
        return replace(direct, bootstrap_servers=self.bootstrap_servers)

    @override
    async def start(self) -> None:
        """Listen on all routes.

        Raises:
            OSError: A port is taken.
        """
        self._loop = asyncio.get_running_loop()
        try:
            for route in self._routes:
                accept = partial(self._accept, route)
                self._servers.append(await asyncio.start_server(accept, LOOPBACK, route.listen, limit=_BUFFER))
        except OSError:
            await self.stop()
            raise

    @override
    async def stop(self) -> None:
        """Listen no longer, and cut what is carried. Idempotent."""
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        self.cut_connections()
        if self._carried:
            await asyncio.wait(self._carried)
        for server in servers:
            await server.wait_closed()

    def hold(self, api: int, count: int = 1) -> Fault:
        """Hold back the answers to the next requests of an API, until the fault is released."""
        return self._order(Action.HOLD, api, count)

    def cut(self, api: int, count: int = 1) -> Fault:
        """Close the connection in place of each answer to the next requests of an API."""
        return self._order(Action.CUT, api, count)

    def swallow(self, api: int, count: int = 1) -> Fault:
        """Drop the answers to the next requests of an API."""
        return self._order(Action.SWALLOW, api, count)

    def cut_connections(self) -> None:
        """Close all connections now. Only for the thread of the proxy's loop."""
        for task in self._carried:
            task.cancel()

    def _order(self, action: Action, api: int, count: int) -> Fault:
        if self._loop is None:
            raise RuntimeError("the proxy has not been started")
        fault = Fault(action, api, count, self._loop)
        # A new tuple each time: the loop's thread may be going through the old one.
        self._faults = (*self._faults, fault)
        return fault

    async def _accept(self, route: Route, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine of start_server runs as a task
        self._carried.add(task)
        try:
            # Cancelled: the proxy ends, or cuts. The end of a connection is nobody's error either.
            with contextlib.suppress(OSError, ValueError, asyncio.CancelledError):
                await self._carry(route, reader, writer)
        finally:
            self._carried.discard(task)
            writer.close()

    async def _carry(self, route: Route, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_broker, to_broker = await asyncio.open_connection(LOOPBACK, route.upstream, limit=_BUFFER)
        befallen: dict[int, Fault] = {}
        try:
            await _until_one_ends(
                self._requests(reader, to_broker, befallen),
                _answers(from_broker, writer, befallen),
            )
        finally:
            # Without a wait before it: who is cancelled while it ends would leave the connection open.
            to_broker.close()

    async def _requests(
        self, reader: asyncio.StreamReader, to_broker: asyncio.StreamWriter, befallen: dict[int, Fault]
    ) -> None:
        while (frame := await read_frame(reader)) is not None:
            api, correlation = request_head(frame)
            fault = next((one for one in self._faults if one.take(api)), None)
            if fault is not None:
                befallen[correlation] = fault
            to_broker.write(frame)
            await to_broker.drain()


async def _until_one_ends(*works: Coroutine[object, object, None]) -> None:
    """Run them side by side until one ends or fails, and end the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _answers(from_broker: asyncio.StreamReader, writer: asyncio.StreamWriter, befallen: dict[int, Fault]) -> None:
    while (frame := await read_frame(from_broker)) is not None:
        fault = befallen.pop(answer_correlation(frame), None)
        if fault is not None:
            fault.note_answer()
            match fault.action:
                case Action.CUT:
                    return
                case Action.SWALLOW:
                    continue
                case Action.HOLD:
                    await fault.released()
        writer.write(frame)
        await writer.drain()
