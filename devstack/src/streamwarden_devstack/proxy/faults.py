"""What befalls the answers to requests of an API."""

from __future__ import annotations

import asyncio
import threading
from enum import Enum, IntEnum, auto


class Api(IntEnum):
    """The API keys whose outcome matters most here; any other number of Kafka's protocol will do as well."""

    PRODUCE = 0
    OFFSET_FETCH = 9
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    TXN_OFFSET_COMMIT = 28


class Action(Enum):
    """What is done with an answer. The request has always been delivered, and the broker has acted on it."""

    HOLD = auto()
    """It waits, and all behind it on its connection, until :meth:`Fault.release`."""
    CUT = auto()
    """The connection is closed in its place."""
    SWALLOW = auto()
    """It never arrives; the connection goes on. librdkafka waits on, a Java client closes at the next answer."""


class Fault:
    """An order for the answers to the next ``count`` requests of an API. Its methods are for any thread."""

    def __init__(self, action: Action, api: int, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.action = action
        self.api = api
        self._left = count
        self._loop = loop
        self._released = asyncio.Event()
        self._unanswered = count
        self._changed = threading.Condition()

    def wait_answered(self, timeout_s: float) -> None:
        """Wait until the broker has answered all these requests, which the client does not learn.

        Raises:
            TimeoutError: It has not.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._unanswered == 0, timeout_s):
                raise TimeoutError(f"{self._unanswered} answer(s) of API {self.api} are missing after {timeout_s} s")

    def release(self) -> None:
        """Let through what is held, and whatever would be from now on."""
        with self._changed:
            self._left = 0
        self._loop.call_soon_threadsafe(self._released.set)

    def take(self, api: int) -> bool:
        """Whether a request that passes is one of those that it is for."""
        with self._changed:
            if api != self.api or self._left == 0:
                return False
            self._left -= 1
            return True

    def note_answer(self) -> None:
        """Count an answer of the broker's."""
        with self._changed:
            self._unanswered -= 1
            self._changed.notify_all()

    async def released(self) -> None:
        """Wait for :meth:`release`."""
        await self._released.wait()
