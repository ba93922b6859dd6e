"""Installations that share a Kafka and a registry, each with a cluster in memory that outlives its operators."""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, cast

from streamwarden_operator.adapters.signing import HeldKeys, PublisherKeys, SigningKey
from streamwarden_operator.errors import LeadershipLostError
from streamwarden_operator.keys import key_of
from streamwarden_operator.wiring.controller import Controller
from streamwarden_operator.write_guard import always
from support.fakes import FakeCluster
from support.operator_harness import SETTINGS, agent, conditions_of, until, whole_namespace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from streamwarden_operator.backends import Backends
    from streamwarden_operator.settings import OperatorSettings
    from streamwarden_operator.write_guard import WriteGuard

SETTLED_S = 180.0
"""A real Kafka, on a machine that has other work."""

Dump = dict[tuple[str, str], object]
"""All that a Kafka and a registry hold, by kind and name: ``("user", "risk.guard.gate")``."""


class SharedKafka(Protocol):
    """A Kafka and a registry, in memory or real."""

    @property
    def bootstrap_servers(self) -> str: ...

    def connect(self, settings: OperatorSettings, guard: WriteGuard) -> Backends:
        """Return what one operator needs of them."""
        ...

    async def make(self, strangers: Mapping[str, str]) -> dict[str, str]:
        """Make users, with two rights and a quota, a topic, a group and a subject each; return their passwords."""
        ...

    async def dump(self) -> Dump:
        """Return everything that there is now."""
        ...


class Dies:
    """A guard that ends a process at one of its writes: neither that one nor any later one happens."""

    def __init__(self, at_write: int) -> None:
        self._left = at_write

    def __call__(self) -> None:
        self._left -= 1
        if self.dead:
            raise LeadershipLostError("killed")

    @property
    def dead(self) -> bool:
        return self._left <= 0


class Installation:
    """One of several; its operators follow one another."""

    def __init__(self, kafka: SharedKafka, name: str, *namespaces: str) -> None:
        """Make it with namespaces that have everything; nothing runs."""
        self._kafka = kafka
        self.settings = SETTINGS.model_copy(update={"installation": name, "agent_producer_byte_rate": 1_000_000})
        self.cluster = FakeCluster()
        self.key = SigningKey.create()
        self._touched = count()
        for namespace in namespaces:
            self.put_namespace(namespace)

    def put_namespace(self, namespace: str) -> None:
        """Let people apply a whole namespace's manifests."""
        for resource in whole_namespace(namespace):
            self.cluster.put(resource)

    def touch(self, namespace: str) -> None:
        """Let somebody edit a namespace's agent, without effect: the operator looks at all that belongs to it."""
        found = self.cluster.get(type(agent()), namespace, "guard")
        assert found is not None
        annotations = {**found.metadata.annotations, "touched": str(next(self._touched))}
        metadata = found.metadata.model_copy(update={"annotations": annotations})
        self.cluster.put(found.model_copy(update={"metadata": metadata}))

    @asynccontextmanager
    async def running(self, guard: WriteGuard = always, **settings: Any) -> AsyncIterator[Controller]:
        """Run an operator until the block ends."""
        changed = self.settings.model_copy(update=settings)
        backends = self._kafka.connect(changed, guard)
        controller = Controller(
            cast("Any", self.cluster),
            changed,
            backends=backends,
            bootstrap_servers=self._kafka.bootstrap_servers,
            keys=PublisherKeys(HeldKeys(self.key)),
        )
        for resource in list(self.cluster.resources.values()):
            controller.changed(key_of(resource))
        await controller.start()
        controller.caches_complete()
        try:
            yield controller
        finally:
            await controller.stop()

    def conditions(self, namespace: str) -> dict[str, tuple[str, str]]:
        """Return those of a namespace's agent."""
        found = self.cluster.get(type(agent()), namespace, "guard")
        return {} if found is None else conditions_of(found)

    def has_access(self, *namespaces: str) -> bool:
        """Tell whether all that the agents of these namespaces need in Kafka is made, and their pods run."""
        return all(
            self.conditions(namespace).get("AccessReady") == ("True", "OK")
            and (namespace, "guard") in self.cluster.workloads
            for namespace in namespaces
        )

    async def settled(self, controller: Controller, *namespaces: str) -> None:
        """Wait until these namespaces stand and nothing is left to do."""
        await until(lambda: self.has_access(*namespaces) and controller.idle, SETTLED_S)
