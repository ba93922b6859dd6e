"""A door before a server: what goes through it, both ways, can be held, as a network holds it that has lost its way."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamwarden_devstack.ports import LOOPBACK
from support.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUFFER = 64 * 1024
_LIMIT_S = 30.0


class Door:
    """Carries connections to a port of loopback. Its methods are for any thread but its loop's."""

    def __init__(self, port: int, loop: LoopThread) -> None:
        self._port, self._loop = port, loop
        self._open = asyncio.Event()
        self._carried: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    def hold(self) -> None:
        """Let nothing through from now on. Connections stay, and new ones are taken: nobody answers."""
        self._loop.run(self._set(is_open=False), _LIMIT_S)

    def release(self) -> None:
        """Let through what was held, in its order, and whatever comes."""
        self._loop.run(self._set(is_open=True), _LIMIT_S)

    async def start(self) -> None:
        """Listen."""
        self._open.set()
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Cut everything."""
        assert self._server is not None
        self._server.close()
        for task in self._carried:
            task.cancel()
        if self._carried:
            await asyncio.wait(self._carried)
        await self._server.wait_closed()

    async def _set(self, *, is_open: bool) -> None:
        if is_open:
            self._open.set()
        else:
            self._open.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carried.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._open.wait()
                inner_reader, inner_writer = await asyncio.open_connection(LOOPBACK, self._port)
                try:
                    await asyncio.gather(self._carry(reader, inner_writer), self._carry(inner_reader, writer))
                finally:
                    inner_writer.close()
        finally:
            self._carried.discard(task)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_BUFFER):
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        await self._open.wait()
        writer.write_eof()


@contextmanager
def open_door(port: int) -> Iterator[Door]:
    """Run a door before a port of loopback."""
    loop = LoopThread("door")
    door = Door(port, loop)
    try:
        loop.run(door.start(), _LIMIT_S)
        yield door
    finally:
        loop.run(door.stop(), _LIMIT_S)
        loop.close()
