"""``/healthz`` and ``/readyz`` for the kubelet."""

import asyncio
from datetime import timedelta

from aiohttp import web

_TICK_S = 0.5


class Health:
    """Answers whether the process works. A probe that gets no answer within its own timeout has failed, too."""

    def __init__(self, port: int, longest_stall: timedelta) -> None:
        """Prepare.

        Args:
            port: to listen on, on all addresses; 0: none.
            longest_stall: the event loop may stand still for so long.
        """
        self.ready = False
        self._port = port
        self._longest_stall_s = longest_stall.total_seconds()
        self._last_tick_s = 0.0
        self._ticking: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Begin to answer."""
        self._last_tick_s = asyncio.get_running_loop().time()
        self._ticking = asyncio.create_task(self._tick(), name="loop-lag")
        if self._port == 0:
            return
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host=None, port=self._port).start()

    async def stop(self) -> None:
        """Stop answering."""
        if self._ticking is not None:
            self._ticking.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def stall_s(self) -> float:
        """How long the event loop has stood still."""
        return max(0.0, asyncio.get_running_loop().time() - self._last_tick_s - _TICK_S)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._last_tick_s = asyncio.get_running_loop().time()

    async def _healthz(self, _request: web.Request) -> web.Response:
        if self.stall_s > self._longest_stall_s:
            return web.Response(status=503, text=f"the event loop stood still for {self.stall_s:.0f} s\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        if not self.ready:
            return web.Response(status=503, text="not everything has been looked at yet\n")
        return web.Response(text="ok\n")
