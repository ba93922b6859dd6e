"""Ends the process when a call into librdkafka never returns.

Measured with librdkafka 2.16.0: after a broker was killed, ``send_offsets_to_transaction`` waited for ever, whatever
its timeout. No thread can interrupt it. A new process can go on: what was not committed is judged again.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

_log = structlog.get_logger(__name__)

EXIT_CODE = 1
_CHECK_S = 1.0


class Watchdog:
    """Watches one thread's calls. Starts its own thread when it is made."""

    def __init__(self, limit_s: float) -> None:
        """``limit_s`` must be longer than every timeout that a watched call is given."""
        self._limit_s = limit_s
        self._since: float | None = None
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """End the process with code 1 when the block takes longer than the limit."""
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(_CHECK_S):
            since = self._since
            if since is not None and time.monotonic() - since > self._limit_s:
                _log.error("a transaction does not end; this process does, so that a new one can go on")
                os._exit(EXIT_CODE)
