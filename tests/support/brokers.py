"""Two Kafkas for behaviour tests: franz-go's ``kfake`` and the session's real one, with the same test bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest
from streamwarden_devstack.kfake import Kfake
from streamwarden_devstack.proxy import Proxy
from streamwarden_kafka.connection import PARTITIONER, Connection
from support.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.stack_fixture import RunningStack

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


@pytest.fixture(scope="session")
def kfake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """An in-memory Kafka of three brokers for the session, up at once."""
    loop = LoopThread("kfake")
    running = Kfake(tmp_path_factory.mktemp("kfake"))
    try:
        loop.run(running.start(), _START_TIMEOUT_S)
        yield Broker("kfake", running.operator)
    finally:
        loop.run(running.stop(), _STOP_TIMEOUT_S)
        loop.close()


KFAKE, APACHE = pytest.param("kfake", marks=pytest.mark.kfake), pytest.param("apache", marks=pytest.mark.broker)


@pytest.fixture(params=[KFAKE, APACHE])
def broker(request: Any) -> Broker:
    """Each of the two in turn."""
    if request.param == "kfake":
        return cast("Broker", request.getfixturevalue("kfake"))
    stack = cast("RunningStack", request.getfixturevalue("stack"))
    return Broker("apache", stack.operator)


@dataclass(frozen=True)
class ProxiedBroker:
    """A Kafka, and a proxy before it."""

    name: str
    operator: Connection
    """A super user's, through the proxy."""
    proxy: Proxy


@pytest.fixture(params=[KFAKE, APACHE])
def proxied(request: Any, tmp_path: Path) -> Iterator[ProxiedBroker]:
    """Each of the two in turn, behind a proxy that lives in a thread."""
    loop = LoopThread("proxy")
    own: Kfake | None = None
    if request.param == "kfake":
        own = Kfake(tmp_path / "kfake", brokers=1, proxied=True)
        loop.run(own.start(), _START_TIMEOUT_S)
        routes, operator = own.routes, own.operator
    else:
        stack = cast("RunningStack", request.getfixturevalue("stack"))
        routes, operator = stack.routes, stack.operator
    proxy = Proxy(routes)
    try:
        loop.run(proxy.start(), _START_TIMEOUT_S)
        yield ProxiedBroker(request.param, proxy.connection(operator), proxy)
    finally:
        loop.run(proxy.stop(), _STOP_TIMEOUT_S)
        if own is not None:
            loop.run(own.stop(), _STOP_TIMEOUT_S)
        loop.close()
