"""The session's stack: one real Kafka, started when the first test asks for it, and a schema registry on request.

Works for sync and async tests alike: the stack lives in a thread with a loop of its own. Nothing is cleaned
between tests; each takes names of its own (see ``unique``).
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from rich.console import Console
from streamwarden_cli.stack import ConsoleReporter, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

_START_TIMEOUT_S = 600
"""The first start on a machine downloads."""
_STOP_TIMEOUT_S = 90


class RunningStack:
    """A started stack, to be used from any thread."""

    def __init__(self, stack: Stack, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._stack = stack
        self._run = run

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's address."""
        return self._stack.bootstrap_servers

    @property
    def controller_address(self) -> str:
        """The controller listener's address."""
        return self._stack.controller_address

    @property
    def operator_properties(self) -> dict[str, str]:
        """The librdkafka configuration of the super user."""
        return self._stack.operator_properties

    @property
    def kafka_pid(self) -> int | None:
        """The broker's pid now."""
        return self._stack.kafka_pid

    @property
    def registry_url(self) -> str:
        """The registry's URL, once it answers."""
        self._run(self._stack.registry_ready())
        return self._stack.registry_url


class _Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stack", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, None], timeout_s: float = _START_TIMEOUT_S) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def close(self) -> None:
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_TIMEOUT_S)
        self._loop.close()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A real Kafka for the session; its registry starts beside it and is waited for by ``registry_url``."""
    loop = _Loop()
    running = Stack(tmp_path_factory.mktemp("stack"), reporter=ConsoleReporter(Console(stderr=True)))
    try:
        loop.run(running.start())
        yield RunningStack(running, loop.run)
    finally:
        loop.run(running.stop(), _STOP_TIMEOUT_S)
        loop.close()


@pytest.fixture(scope="session")
def stack_with_registry(stack: RunningStack) -> RunningStack:
    """The session's stack, with its registry answering."""
    assert stack.registry_url
    return stack


@pytest.fixture
def unique() -> str:
    """A word that no other test has: ``t`` and 10 hex digits."""
    return f"t{uuid4().hex[:10]}"
