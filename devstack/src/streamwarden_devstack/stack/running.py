"""The stack as one object: up inside ``async with``, gone after it."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Self

from streamwarden_kafka.private_files import private_folder

from streamwarden_devstack.stack import kafka, registry
from streamwarden_devstack.stack.download import Fetch, fetch
from streamwarden_devstack.stack.errors import ServiceFailedError, StackError
from streamwarden_devstack.stack.java import startup_cache
from streamwarden_devstack.stack.locked import read_lock
from streamwarden_devstack.stack.ports import LOOPBACK, free_ports, is_free
from streamwarden_devstack.stack.probes import kafka_answers, registry_answers
from streamwarden_devstack.stack.reporting import QuietReporter, Reporter
from streamwarden_devstack.stack.repository import cache_folder
from streamwarden_devstack.stack.service import Server, Service, run_once

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from streamwarden_kafka.connection import Connection

_PORT_RACES = 5
"""So often another process may be quicker on a port we found free."""
_GRACE_S = 10.0
_TRAINING_GRACE_S = 60.0
"""A JVM that writes its start-up cache at its end takes a few seconds more, once."""


class Stack:
    """Kafka and, beside it, the schema registry, with all their files below ``state_dir``.

    Every start begins with empty topics, unless ``keep_data``; the registry is always empty. Servers that
    die are started again, on the same ports.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        registry: bool = True,
        reporter: Reporter | None = None,
        keep_data: bool = False,
        address: str = LOOPBACK,
    ) -> None:
        self._address = address
        self._state_dir = state_dir.absolute()
        self._with_registry = registry
        self._keep_data = keep_data
        self._reporter = reporter or QuietReporter()
        self._fetch = Fetch(cache_folder() / "files", self._reporter)
        self._lock = read_lock()
        self._startup = startup_cache(
            cache_folder(), "kafka", [*kafka.JVM, *(jar.sha256 for jar in self._lock["kafka"])]
        )
        self._identity: kafka.Identity | None = None
        self._kafka: Service | None = None
        self._registry: Service | None = None
        self._registry_port = 0
        self._registry_start: asyncio.Task[None] | None = None
        self.seconds: dict[str, float] = {"download": 0.0, "kafka": 0.0, "registry": 0.0}
        """What took how long: fetching what was missing, Kafka's start with formatting, the registry's start."""

    async def __aenter__(self) -> Self:
        """Start; Kafka answers inside the block."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop both servers."""
        await self.stop()

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's address for clients; the same until :meth:`stop`."""
        return self._known.bootstrap_servers

    @property
    def controller_address(self) -> str:
        """The controller's own listener, for the broker only."""
        return f"{LOOPBACK}:{self._known.controller_port}"

    @property
    def operator(self) -> Connection:
        """The connection of the super user ``streamwarden.operator``."""
        return kafka.operator_connection(self._known)

    @property
    def kafka_pid(self) -> int | None:
        """The broker JVM's pid, another one after a restart; ``None`` while there is none."""
        return self._kafka.pid if self._kafka is not None else None

    @property
    def registry_url(self) -> str:
        """Confluent's API of the registry; it answers after :meth:`registry_ready`."""
        if not self._registry_port:
            raise StackError("this stack runs without a registry, or has not been started")
        return registry.registry_url(self._registry_port, self._address)

    @property
    def registry_pid(self) -> int | None:
        """The registry JVM's pid; ``None`` while there is none."""
        return self._registry.pid if self._registry is not None else None

    async def download(self) -> None:
        """Fetch whatever the cache lacks, and start nothing.

        Raises:
            DownloadError: Something cannot be had.
        """
        await self._fetched("kafka")
        if self._with_registry:
            await self._registry_archive()

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
            jars = await self._fetched("kafka")
            kafka_up = asyncio.Event()
            if self._with_registry:
                self._registry_start = asyncio.create_task(self._start_registry(kafka_up))
                self._registry_start.add_done_callback(self._registry_started)
            await self._start_kafka(jars)
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

    async def stop(self) -> None:
        """End both servers. Idempotent."""
        if self._registry_start is not None and not self._registry_start.done():
            self._registry_start.cancel()
            await asyncio.wait([self._registry_start])
        await asyncio.gather(self._stop_kafka(), self._registry.stop() if self._registry else asyncio.sleep(0))

    @property
    def _known(self) -> kafka.Identity:
        if self._identity is None:
            raise StackError("the stack has not been started")
        return self._identity

    async def _fetched(self, what: str) -> list[Path]:
        started = time.monotonic()
        paths = await fetch(what, self._lock[what], self._fetch)
        self.seconds["download"] += time.monotonic() - started
        return paths

    async def _start_kafka(self, jars: list[Path]) -> None:
        started = time.monotonic()
        files = kafka.Files(private_folder(self._state_dir / "kafka"))
        for attempt in range(_PORT_RACES):
            identity = self._identity = self._choose_identity(files)
            files.write(identity)
            trained = self._startup.path.is_file()
            try:
                await self._format(files, jars)
                self._kafka = self._kafka_service(files, jars)
                await self._kafka.start()
                break
            except ServiceFailedError as error:
                taken = not _are_free(identity)
                if attempt == _PORT_RACES - 1 or not (taken or trained):
                    raise
                self._reporter.note(f"trying again: {error}")
                if not taken:
                    # Then perhaps the start-up cache does not suit this machine.
                    self._startup.drop()
        self.seconds["kafka"] = time.monotonic() - started

    def _choose_identity(self, files: kafka.Files) -> kafka.Identity:
        """Go on with the data of the last start, or clear it away."""
        if self._keep_data and files.identity.is_file() and files.data.is_dir():
            kept = replace(kafka.Identity.load(files.identity), address=self._address)
            if _are_free(kept):
                return kept
            client_port, controller_port = free_ports(2, self._address)
            return replace(kept, client_port=client_port, controller_port=controller_port)
        shutil.rmtree(files.data, ignore_errors=True)
        files.log.unlink(missing_ok=True)
        client_port, controller_port = free_ports(2, self._address)
        return kafka.Identity(client_port, controller_port, address=self._address)

    async def _format(self, files: kafka.Files, jars: list[Path]) -> None:
        if files.data.is_dir():
            return
        command = files.format_command(jars, self._known.cluster_id, self._startup.use_only())
        await run_once(Server("formatting Kafka's data", lambda: command, _no_answer, files.folder, files.format_log))
        # It prints what the passwords are checked with.
        files.format_log.unlink()

    def _kafka_service(self, files: kafka.Files, jars: list[Path]) -> Service:
        server = Server(
            name="Kafka",
            command=lambda: files.run_command(jars, self._startup.options()),
            answers=partial(kafka_answers, self.operator),
            folder=files.folder,
            log=files.log,
        )
        return Service(server, self._reporter)

    async def _stop_kafka(self) -> None:
        if self._kafka is None:
            return
        training = not self._startup.path.is_file()
        if await self._kafka.stop(_TRAINING_GRACE_S if training else _GRACE_S):
            self._startup.keep()

    async def _registry_archive(self) -> tuple[Path | None, Path]:
        """Give the archive, where it is still to be unpacked, and the folder of the program."""
        (artifact,) = self._lock["registry"]
        program = registry.unpacked_at(artifact, cache_folder())
        return (None if program.is_dir() else (await self._fetched("registry"))[0]), program

    async def _start_registry(self, kafka_up: asyncio.Event) -> None:
        archive, program = await self._registry_archive()
        # Measured on two cores: starting both JVMs at once doubles Kafka's start, and gains the registry nothing.
        await kafka_up.wait()
        if archive is not None:
            await registry.unpack(archive, program)
        started = time.monotonic()
        folder = private_folder(self._state_dir / "registry")
        log = folder / "registry.log"
        log.unlink(missing_ok=True)
        for attempt in range(_PORT_RACES):
            (port,) = free_ports(1, self._address)
            server = Server(
                name="the schema registry",
                command=partial(registry.registry_command, program, port, self._address),
                answers=partial(registry_answers, registry.registry_url(port, self._address)),
                folder=folder,
                log=log,
            )
            self._registry_port, self._registry = port, Service(server, self._reporter)
            try:
                await self._registry.start()
                break
            except ServiceFailedError:
                if attempt == _PORT_RACES - 1 or is_free(port, self._address):
                    raise
        self.seconds["registry"] = time.monotonic() - started

    def _registry_started(self, start: asyncio.Task[None]) -> None:
        if not start.cancelled() and (error := start.exception()) is not None:
            self._reporter.note(f"no schema registry: {error}")


def _are_free(identity: kafka.Identity) -> bool:
    return is_free(identity.client_port, identity.address) and is_free(identity.controller_port)


async def _no_answer() -> None:
    """Of a command that runs to its end."""
