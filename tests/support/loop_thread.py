"""An event loop in a thread, for what lives as long as the session: sync and async tests use it alike."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

_STOP_TIMEOUT_S = 90


class LoopThread:
    """Runs coroutines for whoever asks."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Let it run beside everything else; nobody waits for it."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        self.run(self._loop.shutdown_default_executor(), _STOP_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_TIMEOUT_S)
        self._loop.close()
