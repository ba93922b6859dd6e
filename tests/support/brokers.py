"""Two Kafkas for behaviour tests: franz-go's ``kfake`` and the session's real one, with the same test bodies."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamwarden_devstack.kfake import Kfake
from streamwarden_devstack.proxy import Proxy
from streamwarden_kafka.connection import PARTITIONER, Connection
from support.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from streamwarden_devstack.proxy import Route

_START_TIMEOUT_S = 600
"""The first start on a machine builds."""
_STOP_TIMEOUT_S = 30


@dataclass(frozen=True)
class Broker:
    """A Kafka that tests may do everything with."""

    name: str
    operator: Connection
    """A super user's."""

    @property
    def bootstrap_servers(self) -> str:
        """The brokers' addresses."""
        return self.operator.bootstrap_servers

    @property
    def properties(self) -> dict[str, str]:
        """The super user's librdkafka configuration, for a producer of a test's own."""
        return {**self.operator.librdkafka(), "partitioner": PARTITIONER}


@dataclass(frozen=True)
class ProxiedBroker:
    """A Kafka, and a proxy before it."""

    name: str
    operator: Connection
    """A super user's, through the proxy."""
    proxy: Proxy


@contextmanager
def running_kfake(folder: Path) -> Iterator[Broker]:
    """Run a kfake of three brokers."""
    with _kfake(Kfake(folder)) as running:
        yield Broker("kfake", running.operator)


@contextmanager
def behind_a_proxy(name: str, routes: Sequence[Route], operator: Connection) -> Iterator[ProxiedBroker]:
    """Run a proxy before these brokers, in a thread."""
    loop = LoopThread("proxy")
    proxy = Proxy(routes)
    try:
        loop.run(proxy.start(), _START_TIMEOUT_S)
        yield ProxiedBroker(name, proxy.connection(operator), proxy)
    finally:
        loop.run(proxy.stop(), _STOP_TIMEOUT_S)
        loop.close()


@contextmanager
def kfake_behind_a_proxy(folder: Path) -> Iterator[ProxiedBroker]:
    """Run a kfake of one broker, and a proxy before it."""
    with (
        _kfake(Kfake(folder, brokers=1, proxied=True)) as running,
        behind_a_proxy("kfake", running.routes, running.operator) as broker,
    ):
        yield broker


@contextmanager
def _kfake(running: Kfake) -> Iterator[Kfake]:
    loop = LoopThread("kfake")
    try:
        loop.run(running.start(), _START_TIMEOUT_S)
        yield running
    finally:
        loop.run(running.stop(), _STOP_TIMEOUT_S)
        loop.close()
