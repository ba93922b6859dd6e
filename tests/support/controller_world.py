"""The whole controller over a real Kafka, with a cluster in memory."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from confluent_kafka import Producer
from streamwarden_contract.names import AgentNames, InstallationNames
from streamwarden_operator.adapters.signing import HeldKeys, PublisherKeys, SigningKey
from streamwarden_operator.backends import connect
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.wiring.controller import Controller
from support.fakes import FakeCluster
from support.operator_harness import SETTINGS, agent, until, whole_namespace
from support.policy_fakes import ack_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamwarden_contract.policylog import BindingRecord
    from streamwarden_kafka.connection import Connection
    from streamwarden_operator.backends import Backends
    from support.stack_fixture import RunningStack


class World:
    """A controller over real Kafka and a cluster in memory."""

    def __init__(
        self, stack: RunningStack, namespace: str, operator: Connection | None = None, **settings: Any
    ) -> None:
        """Make them.

        Args:
            stack: the Kafka.
            namespace: has everything.
            operator: the operator's user; left out: the super user.
            settings: the operator's, besides.
        """
        self.namespace = namespace
        self.names = AgentNames(namespace, "guard")
        self.cluster = FakeCluster()
        # An installation of its own, with a key of its own: the inventory of another one would end it.
        self.settings = SETTINGS.model_copy(update={"installation": f"i-{namespace}", **settings})
        self.installation = InstallationNames(self.settings.installation)
        self.key = SigningKey.create()
        self.properties = stack.operator_properties
        self.backends: Backends = connect(operator or stack.operator, None, self.settings)
        self.controller = Controller(
            cast("Any", self.cluster),
            self.settings,
            backends=self.backends,
            bootstrap_servers=stack.bootstrap_servers,
            keys=PublisherKeys(HeldKeys(self.key)),
        )
        self.rollouts: list[tuple[str, int, float]] = []
        self.controller.on_rollout = lambda _ns, name, revision, _g, _u, ms: self.rollouts.append((name, revision, ms))

    def put(self, *resources: Any) -> None:
        for resource in resources:
            self.cluster.put(resource)
            self.controller.changed(key_of(resource))

    async def settled(self, name: str) -> None:
        """Reconcile a contract, and wait until nothing is left to do."""
        self.controller.add(Key("TopicContract", self.namespace, name))
        await until(lambda: self.controller.idle)

    def say(self, pod: str) -> None:
        """Report as a gate of this pod whose policies are in force."""
        ack = ack_of(self.binding, pod)
        producer = Producer(self.properties)
        producer.produce(self.names.shared.gates, key=ack.key, value=ack.encode())
        assert producer.flush(10) == 0

    @property
    def binding(self) -> BindingRecord:
        found = self.controller._logs.binding(self.namespace, "guard")
        assert found is not None
        return found

    @property
    def status(self) -> Any:
        found = self.cluster.get(type(agent()), self.namespace, "guard")
        assert found is not None
        return found


@asynccontextmanager
async def world(
    stack: RunningStack, namespace: str, operator: Connection | None = None, **settings: Any
) -> AsyncIterator[World]:
    """Run a controller over one namespace that has everything, from its first workload on."""
    made = World(stack, namespace, operator, **settings)
    made.put(*whole_namespace(namespace))
    await made.controller.start()
    try:
        await until(lambda: made.cluster.workloads, 60)
        yield made
    finally:
        await made.controller.stop()
