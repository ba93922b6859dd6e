"""One broker or three, as one object: formatted, started at once, and kept alive."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import trustme
from streamwarden_kafka.connection import Connection, Protocol
from streamwarden_kafka.private_files import private_folder

from streamwarden_devstack.cache import cache_folder
from streamwarden_devstack.ports import PORT_RACES
from streamwarden_devstack.stack.brokers.files import JVM, BrokerFiles, ClusterFiles
from streamwarden_devstack.stack.brokers.identity import (
    Identity,
    KafkaOptions,
    new_identity,
    new_node,
)
from streamwarden_devstack.stack.errors import ServiceFailedError, StackError
from streamwarden_devstack.stack.java import startup_cache
from streamwarden_devstack.stack.probes import kafka_answers
from streamwarden_devstack.stack.service import Server, Service, run_once, stop_all
from streamwarden_devstack.stack.versions import kafka_set

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streamwarden_devstack.stack.locked import Artifact
    from streamwarden_devstack.stack.reporting import Reporter

_FORMED_TIMEOUT_S = 60.0
"""From the first answer of each broker until all know of all."""


class Brokers:
    """The brokers of one folder. Those that die are started again, on the same ports, but for :meth:`kill`."""

    def __init__(
        self, folder: Path, options: KafkaOptions, address: str, lock: Sequence[Artifact], reporter: Reporter
    ) -> None:
        self._files = ClusterFiles(folder)
        self._options = options
        self._address = address
        self._reporter = reporter
        depends_on = [*JVM, *(jar.sha256 for jar in lock)]
        self._startup = startup_cache(cache_folder(), kafka_set(options.version), depends_on)
        self._identity: Identity | None = None
        self._services: tuple[Service, ...] = ()
        self._authority = trustme.CA() if options.tls else None

    @property
    def identity(self) -> Identity:
        """Who they are; the same until the next start.

        Raises:
            StackError: They have not been started.
        """
        if self._identity is None:
            raise StackError("the stack has not been started")
        return self._identity

    @property
    def operator(self) -> Connection:
        """The super user's connection, with TLS where it was asked for."""
        return self.identity.tls_operator(self._files.authority) if self._options.tls else self.identity.operator()

    def certified(self, user: str) -> Connection:
        """Make a certificate for a user, and return their connection.

        Raises:
            StackError: There is no TLS here.
        """
        if self._authority is None:
            raise StackError("certificates need the option tls")
        path = str(self._files.write_certificate(user, self._authority))
        own = {"ssl.certificate.location": path, "ssl.key.location": path}
        servers = self.identity.mtls_bootstrap_servers
        return Connection(servers, Protocol.SSL, ca_location=str(self._files.authority), options=own)

    @property
    def pids(self) -> tuple[int | None, ...]:
        """Each JVM's pid, another one after a restart; ``None`` for one that does not run."""
        return tuple(service.pid for service in self._services)

    async def start(self, jars: Sequence[Path], *, keep_data: bool) -> None:
        """Format what has no data, start all at once, and return when all of them answer and know of each other.

        Raises:
            StackError: Other data are kept here than those of such a Kafka.
            ServiceFailedError: One did not come up. None runs then.
        """
        private_folder(self._files.folder)
        for attempt in range(PORT_RACES):
            identity = self._identity = self._choose_identity(keep_data=keep_data)
            self._files.write(identity, self._authority)
            trained = self._startup.path.is_file()
            try:
                await self._launch(identity, jars)
                break
            except ServiceFailedError as error:
                taken = identity.taken_ports()
                if attempt == PORT_RACES - 1 or not (taken or trained):
                    raise
                self._reporter.note(f"trying again: {error}")
                if not taken:
                    # Then perhaps the start-up cache does not suit this machine.
                    self._startup.drop()

    async def stop(self) -> None:
        """End all. Idempotent."""
        services, self._services = self._services, ()
        await stop_all(services, self._startup, self._reporter)

    async def kill(self, number: int) -> None:
        """End the broker of this number, from 1, with SIGKILL, and leave it dead."""
        await self._services[number - 1].kill()

    async def restart(self, number: int) -> None:
        """Start the broker of this number again, after :meth:`kill`, and return once it answers.

        Raises:
            ServiceFailedError: It did not come up.
        """
        await self._services[number - 1].start()

    def _choose_identity(self, *, keep_data: bool) -> Identity:
        """Go on with the data of the last start, or clear them away."""
        if keep_data and self._files.identity.is_file():
            kept = Identity.load(self._files.identity)
            if all(each.data.is_dir() for each in self._files.all_of(kept)):
                return _adopted(kept, self._options, self._address)
        self._files.clear()
        return new_identity(self._options, self._address)

    async def _launch(self, identity: Identity, jars: Sequence[Path]) -> None:
        all_files = self._files.all_of(identity)
        await asyncio.gather(*(self._format(files, jars) for files in all_files if not files.data.is_dir()))
        self._services = tuple(self._service(identity, files, jars) for files in all_files)
        starting = [asyncio.create_task(service.start()) for service in self._services]
        try:
            await asyncio.gather(*starting)
            await self._formed(identity)
        except BaseException:
            for task in starting:
                task.cancel()
            await asyncio.wait(starting)
            await asyncio.gather(*(service.stop(0.0) for service in self._services))
            self._services = ()
            raise

    async def _formed(self, identity: Identity) -> None:
        try:
            async with asyncio.timeout(_FORMED_TIMEOUT_S):
                await kafka_answers(identity.operator(), len(identity.nodes))
        except TimeoutError:
            raise ServiceFailedError(
                f"not all of the {len(identity.nodes)} brokers found each other in {_FORMED_TIMEOUT_S:.0f} s; "
                f"their logs are below {self._files.folder}"
            ) from None

    async def _format(self, files: BrokerFiles, jars: Sequence[Path]) -> None:
        command = files.format_command(jars, self._startup.use_only())
        await run_once(Server("formatting Kafka's data", lambda: command, _no_answer, files.folder, files.format_log))
        # It prints what the passwords are checked with.
        files.format_log.unlink()

    def _service(self, identity: Identity, files: BrokerFiles, jars: Sequence[Path]) -> Service:
        # One trains the start-up cache for all.
        options = self._startup.options if files.node.id == 1 else self._startup.use_only
        own = replace(identity, nodes=(files.node,)).operator()
        server = Server(
            name="Kafka" if len(identity.nodes) == 1 else f"Kafka's broker {files.node.id}",
            command=lambda: files.run_command(jars, options()),
            answers=partial(kafka_answers, own),
            folder=files.folder,
            log=files.log,
        )
        return Service(server, self._reporter)


def _adopted(kept: Identity, options: KafkaOptions, address: str) -> Identity:
    """Go on with kept data as these options ask for; a single broker may move to other ports."""
    if (len(kept.nodes), kept.version) != (options.brokers, options.version):
        raise StackError(
            f"the data kept here are those of {len(kept.nodes)} broker(s) of Kafka {kept.version}: "
            f"ask for the same, or start without keeping them"
        )
    nodes = tuple(
        replace(
            new_node(node.id, options, address),
            client_port=node.client_port,
            controller_port=node.controller_port,
            directory_id=node.directory_id,
        )
        for node in kept.nodes
    )
    identity = replace(kept, nodes=nodes, address=address)
    taken = identity.taken_ports()
    if not taken:
        return identity
    if len(nodes) > 1:
        raise StackError(f"other processes listen on {', '.join(map(str, taken))}, and three brokers keep their ports")
    (node,) = kept.nodes
    return replace(identity, nodes=(replace(new_node(1, options, address), directory_id=node.directory_id),))


async def _no_answer() -> None:
    """Of a command that runs to its end."""
