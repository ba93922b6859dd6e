"""The session's stack: one real Kafka, started when the first test asks for it, and a schema registry on request.

Works for sync and async tests alike: the stack lives in a thread with a loop of its own. Nothing is cleaned
between tests; each takes names of its own (see ``unique``).
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from rich.console import Console
from streamwarden_devstack.stack import ConsoleReporter, KafkaOptions, Stack
from streamwarden_kafka.connection import PARTITIONER, Connection
from support.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from streamwarden_devstack.proxy import Route

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
    def operator(self) -> Connection:
        """The super user's connection."""
        return self._stack.operator

    @property
    def routes(self) -> tuple[Route, ...]:
        """What a proxy before the broker must carry."""
        return self._stack.routes

    @property
    def operator_properties(self) -> dict[str, str]:
        """The librdkafka configuration of the super user, for a producer of a test's own."""
        return {**self.operator.librdkafka(), "partitioner": PARTITIONER}

    @property
    def kafka_pid(self) -> int | None:
        """The broker's pid now."""
        return self._stack.kafka_pid

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let the broker answer nobody inside the block; nothing starts it again, as it has not ended."""
        pid = self.kafka_pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @property
    def registry_url(self) -> str:
        """The registry's URL, once it answers."""
        self._run(self._stack.registry_ready())
        return self._stack.registry_url


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A real Kafka for the session; its registry starts beside it and is waited for by ``registry_url``."""
    loop = LoopThread("stack")
    running = Stack(
        tmp_path_factory.mktemp("stack"),
        kafka=KafkaOptions(proxied=True),
        reporter=ConsoleReporter(Console(stderr=True)),
    )
    try:
        loop.run(running.start(), _START_TIMEOUT_S)
        yield RunningStack(running, lambda work: loop.run(work, _START_TIMEOUT_S))
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
