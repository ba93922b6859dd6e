"""Real Kafkas: one for the whole run, with a schema registry beside it, and one of their own for tests that kill it.

They work for sync and async tests alike, and nothing is cleaned between tests: each takes names of its own (the fixture
``unique``).
"""

from __future__ import annotations

import os
import signal
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from streamwarden_devstack.ports import LOOPBACK
from streamwarden_devstack.proxy import Route
from streamwarden_devstack.stack import ConsoleReporter, KafkaOptions, Stack
from streamwarden_devstack.stack.versions import DEFAULT
from streamwarden_kafka.connection import PARTITIONER, Connection
from support.loop_thread import LoopThread
from support.sharing import shared
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.sharing import Facts


_START_TIMEOUT_S = 600
"""The first start on a machine downloads."""
_STOP_TIMEOUT_S = 90
_REGISTRY = "registry-url"
TESTED = "TESTED_KAFKA"
"""Names another minor version of the run's Kafka than the stack's own; ``make versions`` sets it to each in turn."""
_MINOR = os.environ.get(TESTED, DEFAULT)
_ONE_BROKER = KafkaOptions(_MINOR)


class RunningStack(ABC):
    """What tests ask of a Kafka, whichever process has started it. To be used from any thread."""

    @property
    @abstractmethod
    def operator(self) -> Connection:
        """The super user's connection."""

    @property
    @abstractmethod
    def controller_address(self) -> str:
        """The controller listener's address."""

    @property
    @abstractmethod
    def registry_url(self) -> str:
        """The registry's URL, once it answers."""

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's address."""
        return self.operator.bootstrap_servers

    @property
    @abstractmethod
    def routes(self) -> tuple[Route, ...]:
        """What a proxy before the broker must carry; one proxy at a time can."""

    @property
    def operator_properties(self) -> dict[str, str]:
        """The librdkafka configuration of the super user, for a producer of a test's own."""
        return {**self.operator.librdkafka(), "partitioner": PARTITIONER}


class OwnStack(RunningStack):
    """A stack that this process has started: it knows the broker's pid too."""

    def __init__(self, stack: Stack, loop: LoopThread) -> None:
        self._stack, self._loop = stack, loop

    @property
    @override
    def operator(self) -> Connection:
        return self._stack.operator

    @property
    @override
    def routes(self) -> tuple[Route, ...]:
        return self._stack.routes

    @property
    @override
    def controller_address(self) -> str:
        return self._stack.controller_address

    @property
    @override
    def registry_url(self) -> str:
        self._loop.run(self._stack.registry_ready(), _START_TIMEOUT_S)
        return self._stack.registry_url

    @property
    def kafka_pid(self) -> int | None:
        """The broker's pid now."""
        return self._stack.kafka_pid

    def kill(self) -> int:
        """Kill -9 the broker, which is then started again; returns its pid."""
        pid = self.kafka_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

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

    @contextmanager
    def without_broker(self, number: int) -> Iterator[None]:
        """Let one of several brokers be gone inside the block."""
        self._loop.run(self._stack.kill_broker(number), _STOP_TIMEOUT_S)
        try:
            yield
        finally:
            self._loop.run(self._stack.restart_broker(number), _START_TIMEOUT_S)

    def tell_registry(self, file: Path) -> None:
        """Write the registry's URL into a file once it answers; an empty one tells that it never will."""

        async def tell() -> None:
            url = ""
            try:
                await self._stack.registry_ready()
                url = self._stack.registry_url
            finally:
                part = file.with_suffix(".part")
                part.write_text(url)
                part.rename(file)

        self._loop.begin(tell())


class SharedStack(RunningStack):
    """The run's stack, whichever worker has started it."""

    def __init__(self, folder: Path, facts: Facts) -> None:
        self._folder, self._facts = folder, facts

    @property
    @override
    def operator(self) -> Connection:
        return Connection.of(self._facts["operator"])

    @property
    @override
    def routes(self) -> tuple[Route, ...]:
        return tuple(Route(**route) for route in self._facts["routes"])

    @property
    @override
    def controller_address(self) -> str:
        return str(self._facts["controller_address"])

    @property
    @override
    def registry_url(self) -> str:
        file, deadline = self._folder / _REGISTRY, time.monotonic() + _START_TIMEOUT_S
        while not file.exists():
            assert time.monotonic() < deadline, "the registry did not come up"
            time.sleep(0.05)
        url = file.read_text()
        assert url, "the registry could not be started: the log of the worker that tried says why"
        return url


@contextmanager
def running_stack(
    folder: Path, *, kafka: KafkaOptions = _ONE_BROKER, registry: bool = True, address: str = LOOPBACK
) -> Iterator[OwnStack]:
    """Run a Kafka, and a registry unless it is not wanted, that listen at this address."""
    loop = LoopThread("stack")
    reporter = ConsoleReporter(Console(stderr=True))
    stack = Stack(folder, kafka=kafka, registry=registry, address=address, reporter=reporter)
    try:
        loop.run(stack.start(), _START_TIMEOUT_S)
        yield OwnStack(stack, loop)
    finally:
        loop.run(stack.stop(), _STOP_TIMEOUT_S)
        loop.close()


@contextmanager
def _facts_of_a_stack(folder: Path) -> Iterator[Facts]:
    (folder / _REGISTRY).unlink(missing_ok=True)  # of an owner that died
    kafka = KafkaOptions(_MINOR, proxied=True, delegation_tokens=True)
    with running_stack(folder / "state", kafka=kafka) as own:
        own.tell_registry(folder / _REGISTRY)
        yield {
            "operator": own.operator.librdkafka(),
            "routes": [asdict(route) for route in own.routes],
            "controller_address": own.controller_address,
        }


@contextmanager
def shared_stack(folder: Path) -> Iterator[SharedStack]:
    """Use the stack in this folder, which the first to ask for it starts."""
    with shared(folder, _facts_of_a_stack) as facts:
        yield SharedStack(folder, facts)
