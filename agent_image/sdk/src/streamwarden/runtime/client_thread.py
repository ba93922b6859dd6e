"""The one thread that Kafka's clients are used from. Handlers stay in the event loop's."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_T = TypeVar("_T")
_P = ParamSpec("_P")


class ClientThread:
    """Runs one call after another."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafka")

    async def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a call after those before it, and return what it returns or raise what it raises.

        A caller that is cancelled waits no longer; the call goes on, and the next ones wait for it.

        Raises:
            RuntimeError: the thread was ended.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(*args, **kwargs))

    def close(self) -> None:
        """End the thread once the calls that were made are done; blocks until then."""
        self._thread.shutdown()
