"""``kfake`` as one object: up inside ``async with``, gone after it, and all its records with it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streamwarden_kafka.connection import Connection
from streamwarden_kafka.private_files import private_folder, write_private
from typing_extensions import override

from streamwarden_devstack.cache import cache_folder
from streamwarden_devstack.cluster.errors import ClusterError
from streamwarden_devstack.cluster.go_programs import Binary, content_key, ensure_built
from streamwarden_devstack.cluster.reporting import QuietReporter, Reporter
from streamwarden_devstack.logs import end_of
from streamwarden_devstack.ports import LOOPBACK, PORT_RACES, free_ports
from streamwarden_devstack.processes import Child
from streamwarden_devstack.proxy.routes import Route
from streamwarden_devstack.stack.brokers.identity import OPERATOR
from streamwarden_devstack.stack.errors import ServiceFailedError, StackError
from streamwarden_devstack.stack.probes import kafka_answers
from streamwarden_devstack.startable import Startable

if TYPE_CHECKING:
    from collections.abc import Mapping

_SERVER = Binary("kfake", Path(__file__).with_name("server"), ".", env={"CGO_ENABLED": "0"})
_START_TIMEOUT_S = 20.0
_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class _Broker:
    port: int
    advertised: int


class Kfake(Startable):
    """An in-memory Kafka of ``brokers`` brokers on loopback, with its settings and log below ``state_dir``.

    Users authenticate with SCRAM-SHA-512, and nothing is allowed that no ACL allows. It is not started again when
    it dies: its records would be gone. ``proxied``: clients are told the addresses of a proxy for :attr:`routes`, and
    come through it only.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        brokers: int = 3,
        proxied: bool = False,
        config: Mapping[str, str] | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        self._folder = state_dir.absolute()
        self._count = brokers
        self._proxied = proxied
        self._config = dict(config or {})
        self._reporter = reporter or QuietReporter()
        self._password = secrets.token_urlsafe(24)
        self._brokers: tuple[_Broker, ...] = ()
        self._child: Child | None = None
        self.seconds: dict[str, float] = {"build": 0.0, "start": 0.0}
        """What took how long: building the program, once for each version of it, and its start."""

    @property
    def bootstrap_servers(self) -> str:
        """The brokers' addresses for clients."""
        if not self._brokers:
            raise StackError("kfake has not been started")
        return ",".join(f"{LOOPBACK}:{broker.advertised}" for broker in self._brokers)

    @property
    def routes(self) -> tuple[Route, ...]:
        """What a proxy must carry, for the option ``proxied``."""
        return tuple(Route(each.advertised, each.port) for each in self._brokers if each.advertised != each.port)

    @property
    def operator(self) -> Connection:
        """The connection of the super user ``streamwarden.operator``."""
        return Connection.scram(self.bootstrap_servers, OPERATOR, self._password)

    @property
    def pid(self) -> int | None:
        """Its pid; ``None`` while it does not run."""
        return self._child.child_pid if self._child is not None and self._child.returncode is None else None

    @property
    def log(self) -> Path:
        """What it prints: requests that failed."""
        return self._folder / "kfake.log"

    @override
    async def start(self) -> None:
        """Build the program where the cache lacks it, start it, and return once it answers.

        Raises:
            StackError: It cannot be built.
            ServiceFailedError: It did not come up. Nothing runs then.
        """
        private_folder(self._folder)
        started = time.monotonic()
        program = await asyncio.to_thread(_built, self._reporter)
        built = time.monotonic()
        self.seconds["build"] = built - started
        for attempt in range(PORT_RACES):
            self._brokers = self._choose_ports()
            try:
                await self._launch(program)
                break
            except ServiceFailedError:
                if attempt == PORT_RACES - 1:
                    raise
        self.seconds["start"] = time.monotonic() - built

    @override
    async def stop(self) -> None:
        """End it. Idempotent."""
        if self._child is not None:
            child, self._child = self._child, None
            await child.stop(_GRACE_S)

    def _choose_ports(self) -> tuple[_Broker, ...]:
        own = free_ports(2 * self._count)
        told = own[self._count :] if self._proxied else own
        return tuple(_Broker(port, advertised) for port, advertised in zip(own[: self._count], told, strict=False))

    async def _launch(self, program: Path) -> None:
        settings = {
            "brokers": [asdict(broker) for broker in self._brokers],
            "user": OPERATOR,
            "password": self._password,
            "config": self._config,
        }
        file = write_private(self._folder / "settings.json", json.dumps(settings))
        child = await Child.start([program, file], env=_environment(), cwd=self._folder, log=self.log)
        self._child = child
        first = Connection.scram(f"{LOOPBACK}:{self._brokers[0].port}", OPERATOR, self._password)
        answering = asyncio.ensure_future(kafka_answers(first))
        ending = asyncio.ensure_future(child.wait())
        try:
            await asyncio.wait((answering, ending), timeout=_START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if answering.done() and not ending.done():
                answering.result()
                return
        finally:
            answering.cancel()
            ending.cancel()
        await self.stop()
        raise ServiceFailedError(f"kfake did not come up. Its log, {self.log}, ends:\n{end_of(self.log)}")


def _environment() -> dict[str, str]:
    """What it gets of our environment: nothing that would change it."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


def _built(reporter: Reporter) -> Path:
    folder = cache_folder() / "kfake" / content_key([_SERVER])
    try:
        ensure_built([_SERVER], folder, cache_folder(), reporter)
    except ClusterError as error:
        raise StackError(f"kfake cannot be built: {error}") from error
    return folder / _SERVER.name
