"""The stack as one object: up inside ``async with``, gone after it."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from streamwarden_kafka.private_files import private_folder
from typing_extensions import override

from streamwarden_devstack.cache import cache_folder, why_unusable
from streamwarden_devstack.ports import LOOPBACK, PORT_RACES, free_ports, is_free
from streamwarden_devstack.stack import registry
from streamwarden_devstack.stack.brokers.identity import KafkaOptions
from streamwarden_devstack.stack.brokers.running import Brokers
from streamwarden_devstack.stack.download import Fetch, fetch
from streamwarden_devstack.stack.errors import ServiceFailedError, StackError
from streamwarden_devstack.stack.java import startup_cache
from streamwarden_devstack.stack.locked import read_lock
from streamwarden_devstack.stack.probes import registry_answers
from streamwarden_devstack.stack.reporting import QuietReporter, Reporter
from streamwarden_devstack.stack.service import Server, Service, stop_all
from streamwarden_devstack.stack.versions import kafka_set
from streamwarden_devstack.startable import Startable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streamwarden_kafka.connection import Connection

    from streamwarden_devstack.proxy.routes import Route
    from streamwarden_devstack.stack.java import StartupCache
    from streamwarden_devstack.stack.locked import Artifact

_ONE_BROKER = KafkaOptions()


class Stack(Startable):
    """Kafka and, beside it, the schema registry, with all their files below ``state_dir``.

    Every start begins with empty topics, unless ``keep_data``; the registry is always empty. Servers that
    die are started again, on the same ports.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        kafka: KafkaOptions = _ONE_BROKER,
        registry: bool = True,
        reporter: Reporter | None = None,
        keep_data: bool = False,
        address: str = LOOPBACK,
    ) -> None:
        """Name what is wanted; nothing is touched yet.

        Raises:
            StackError: Such a Kafka cannot be.
        """
        kafka.check()
        self._address = address
        self._state_dir = state_dir.absolute()
        self._with_registry = registry
        self._keep_data = keep_data
        self._reporter = reporter or QuietReporter()
        self._fetch = Fetch(cache_folder() / "files", self._reporter)
        self._lock = read_lock()
        self._kafka_set = kafka_set(kafka.version)
        self._brokers = Brokers(self._state_dir / "kafka", kafka, address, self._lock[self._kafka_set], self._reporter)
        self._registry_startup = _registry_startup(self._lock["registry"])
        self._registry: Service | None = None
        self._registry_port = 0
        self._registry_start: asyncio.Task[None] | None = None
        self.seconds: dict[str, float] = {"download": 0.0, "kafka": 0.0, "registry": 0.0}
        """What took how long: fetching what was missing, Kafka's start with formatting, the registry's start."""

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's address for clients; the same until :meth:`stop`."""
        return self.operator.bootstrap_servers

    @property
    def controller_address(self) -> str:
        """The first controller's own listener, for brokers only."""
        return f"{LOOPBACK}:{self._brokers.identity.nodes[0].controller_port}"

    @property
    def operator(self) -> Connection:
        """The connection of the super user ``streamwarden.operator``."""
        return self._brokers.operator

    @property
    def plain_operator(self) -> Connection:
        """The same without TLS, also where there is TLS."""
        return self._brokers.identity.operator()

    def certified(self, user: str) -> Connection:
        """Make a certificate for a user, and return their connection, which needs no password.

        Raises:
            StackError: There is no TLS here, or the stack has not been started.
        """
        return self._brokers.certified(user)

    @property
    def routes(self) -> tuple[Route, ...]:
        """What a proxy must carry, for the option ``proxied``."""
        return self._brokers.identity.routes

    @property
    def kafka_pids(self) -> tuple[int | None, ...]:
        """Each broker JVM's pid, another one after a restart; ``None`` for one that does not run."""
        return self._brokers.pids

    @property
    def kafka_pid(self) -> int | None:
        """The first broker JVM's pid; ``None`` while there is none."""
        return next(iter(self.kafka_pids), None)

    async def kill_broker(self, number: int) -> None:
        """End the broker of this number, from 1, with SIGKILL, and leave it dead until :meth:`restart_broker`."""
        await self._brokers.kill(number)

    async def restart_broker(self, number: int) -> None:
        """Start a killed broker again, and return once it answers.

        Raises:
            ServiceFailedError: It did not come up.
        """
        await self._brokers.restart(number)

    @property
    def registry_url(self) -> str:
        """Confluent's API of the registry; it answers after :meth:`registry_ready`."""
        if not self._registry_port:
            raise StackError("this stack runs without a registry, or has not been started")
        return registry.registry_url(self._registry_port, self._address)

    async def download(self) -> None:
        """Fetch whatever the cache lacks, and start nothing.

        Raises:
            DownloadError: Something cannot be had.
        """
        await self._fetched(self._kafka_set)
        if self._with_registry:
            await self._registry_archive()

    @override
    async def start(self) -> None:
        """Start both and return once Kafka answers the operator.

        Raises:
            DownloadError: Kafka is not in the cache and cannot be fetched.
            ServiceFailedError: Kafka did not come up. Nothing runs then.
        """
        private_folder(self._state_dir)
        if not is_free(0, self._address):
            raise StackError(
                f"no interface of this machine has the address {self._address}: give one that clients reach"
            )
        try:
            jars = await self._fetched(self._kafka_set)
            kafka_up = asyncio.Event()
            if self._with_registry:
                self._registry_start = asyncio.create_task(self._start_registry(kafka_up))
                self._registry_start.add_done_callback(self._registry_started)
            started = time.monotonic()
            await self._brokers.start(jars, keep_data=self._keep_data)
            self.seconds["kafka"] = time.monotonic() - started
            kafka_up.set()
        except BaseException:
            await self.stop()
            raise

    async def registry_ready(self) -> None:
        """Wait until the registry has answered for the first time.

        Raises:
            DownloadError: It is not in the cache and cannot be fetched.
            ServiceFailedError: It did not come up.
        """
        if self._registry_start is None:
            raise StackError("this stack runs without a registry, or has not been started")
        await asyncio.shield(self._registry_start)

    @override
    async def stop(self) -> None:
        """End both servers. Idempotent."""
        if self._registry_start is not None and not self._registry_start.done():
            self._registry_start.cancel()
            await asyncio.wait([self._registry_start])
        services = [self._registry] if self._registry is not None else []
        await asyncio.gather(self._brokers.stop(), stop_all(services, self._registry_startup, self._reporter))

    async def _fetched(self, what: str) -> list[Path]:
        started = time.monotonic()
        paths = await fetch(what, self._lock[what], self._fetch)
        self.seconds["download"] += time.monotonic() - started
        return paths

    async def _registry_archive(self) -> tuple[Path | None, Path]:
        """Give the archive, where it is still to be unpacked, and the folder of the program."""
        (artifact,) = self._lock["registry"]
        program = registry.unpacked_at(artifact, cache_folder())
        return (None if program.is_dir() else (await self._fetched("registry"))[0]), program

    async def _start_registry(self, kafka_up: asyncio.Event) -> None:
        try:
            await self._run_registry(kafka_up)
        except OSError as error:
            # Kafka runs without it, so that this must not end the stack as an unknown error would.
            raise StackError(why_unusable(error, cache_folder()) or _told(error)) from error

    async def _run_registry(self, kafka_up: asyncio.Event) -> None:
        archive, program = await self._registry_archive()
        # Measured on two cores: starting both JVMs at once doubles Kafka's start, and gains the registry nothing.
        await kafka_up.wait()
        if archive is not None:
            await registry.unpack(archive, program)
        started = time.monotonic()
        folder = private_folder(self._state_dir / "registry")
        log = folder / "registry.log"
        log.unlink(missing_ok=True)
        for attempt in range(PORT_RACES):
            (port,) = free_ports(1, self._address)
            server = Server(
                name="the schema registry",
                command=partial(self._registry_command, program, port),
                answers=partial(registry_answers, registry.registry_url(port, self._address)),
                folder=folder,
                log=log,
            )
            self._registry_port, self._registry = port, Service(server, self._reporter)
            trained = self._registry_startup.path.is_file()
            try:
                await self._registry.start()
                break
            except ServiceFailedError:
                taken = not is_free(port, self._address)
                if attempt == PORT_RACES - 1 or not (taken or trained):
                    raise
                if not taken:
                    # Then perhaps the start-up cache does not suit this machine.
                    self._registry_startup.drop()
        self.seconds["registry"] = time.monotonic() - started

    def _registry_command(self, program: Path, port: int) -> list[str]:
        """Asked before each start: the start-up cache may be there by now."""
        return registry.registry_command(program, port, self._address, self._registry_startup.options())

    def _registry_started(self, start: asyncio.Task[None]) -> None:
        if not start.cancelled() and (error := start.exception()) is not None:
            self._reporter.note(f"no schema registry: {error}")


def _told(error: OSError) -> str:
    # A full disk is told without the file that was being written.
    return f"{error.filename or f'writing to {cache_folder()}'}: {error.strerror or error}"


def _registry_startup(artifacts: Sequence[Artifact]) -> StartupCache:
    return startup_cache(cache_folder(), "registry", [*registry.OPTIONS, *(each.sha256 for each in artifacts)])
