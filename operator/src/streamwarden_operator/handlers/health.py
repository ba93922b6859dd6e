"""``/healthz`` and ``/readyz`` for the kubelet, ``/metrics`` for Prometheus, ``/debug/tasks`` for people."""

import asyncio
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from streamwarden_operator.handlers.looking import look
from streamwarden_operator.metrics import CONTENT_TYPE, LONGEST_HOLD, LOOP_LAG, Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

_TICK_S = 0.1
"""Whatever holds the event loop for longer is seen."""


class Health:
    """Answers whether the process works. A probe that gets no answer within its own timeout has failed, too."""

    def __init__(self, port: int, longest_stall: timedelta, metrics: Metrics | None = None) -> None:
        """Prepare.

        Args:
            port: to listen on, on all addresses; 0: none.
            longest_stall: the event loop may stand still for so long.
            metrics: what Prometheus gets; the event loop's lag is noted in them.
        """
        self.ready = False
        self.look: Callable[[], object] = partial(look, None)
        """Returns what everything is busy with now, as JSON."""
        self._metrics = metrics or Metrics()
        self._port = port
        self._longest_stall_s = longest_stall.total_seconds()
        self._last_tick_s = 0.0
        self._longest_hold_s = 0.0
        self._metrics.read(LONGEST_HOLD, lambda: [((), self._longest_hold_s)])
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
        app.router.add_get("/metrics", self._render)
        app.router.add_get("/debug/tasks", self._look)
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
        worked_s = time.thread_time()
        while True:
            await asyncio.sleep(_TICK_S)
            before_s, worked_s = worked_s, time.thread_time()
            self._metrics.observe(LOOP_LAG, self.stall_s)
            self._longest_hold_s = max(self._longest_hold_s, min(self.stall_s, worked_s - before_s))
            self._last_tick_s = asyncio.get_running_loop().time()

    async def _healthz(self, _request: web.Request) -> web.Response:
        if self.stall_s > self._longest_stall_s:
            return web.Response(status=503, text=f"the event loop stood still for {self.stall_s:.0f} s\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        if not self.ready:
            return web.Response(status=503, text="not everything has been looked at yet\n")
        return web.Response(text="ok\n")

    async def _render(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def _look(self, _request: web.Request) -> web.Response:
        return web.json_response(self.look())
