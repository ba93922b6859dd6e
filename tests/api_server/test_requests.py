"""How much the operator asks of an API server: nothing is written where nothing has changed."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.models import AgentDeployment, Policy, TopicContract
from streamwarden_operator.adapters.kubernetes.resource_types import type_of_kind
from streamwarden_operator.handlers.runtime import Runtime
from streamwarden_operator.keys import key_of
from streamwarden_operator.reconcilers import inventory_requests
from streamwarden_operator.settings import OperatorSettings
from support.kubernetes_side import KubernetesSide, conditions, kubernetes_side
from support.operator_harness import agent, contract, policy, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from streamwarden_operator.wiring.controller import Controller
    from support.api_server import ApiServer
    from support.stack_fixture import RunningStack


_WAIT_S = 60.0


class Running:
    """The operator without kopf: the test lists in place of watches."""

    def __init__(self, runtime: Runtime, side: KubernetesSide) -> None:
        self.runtime, self.side = runtime, side

    @property
    def controller(self) -> Controller:
        assert self.runtime.controller is not None
        return self.runtime.controller

    async def settle(self, holds: Callable[[], object] = lambda: True) -> None:
        """Look and wait until there is nothing to do, and something holds."""
        async with asyncio.timeout(_WAIT_S):
            while True:
                keys = await self.runtime.cluster.resync()
                for key in keys:
                    self.controller.changed(key)
                await asyncio.sleep(0.02)
                if not keys and self.controller.idle and holds():
                    return

    def requests(self) -> Counter[tuple[str, str]]:
        """Return what was asked so far, but for the test's own lists."""
        asked = self.runtime.cluster.client.requests
        return Counter({what: count for what, count in asked.items() if what[0] != "list"})


@pytest.fixture
async def running(
    api_server: ApiServer, stack: RunningStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    monkeypatch.setattr(inventory_requests, "LOOK_S", 3600)  # once, so that all requests can be counted
    async with kubernetes_side(api_server) as side:
        for name in ("pages", "commands"):
            await side.put(contract(name, side.namespace))
        await side.put(policy("strict", namespace=side.namespace))
        await side.put(agent(namespace=side.namespace))
        properties = tmp_path / "librdkafka.properties"
        properties.write_text(stack.operator.render())
        monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
        settings = OperatorSettings(
            kafka_properties=properties,
            gate_image="registry.example/gate:1",
            watch_namespaces=(side.namespace,),
            # With a key of its own: another one's inventory would end it.
            installation=f"i-{side.namespace}",
            principal="User:streamwarden.operator",
            health_port=0,
        )
        await asyncio.to_thread(
            api_server.apply, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "streamwarden"}}
        )
        runtime = await Runtime.open(settings)
        await runtime.start()
        await until(lambda: runtime.controller)  # it has the Lease
        try:
            yield Running(runtime, side)
        finally:
            await runtime.stop()


async def test_a_second_look_at_everything_writes_nothing(running: Running) -> None:
    side, cluster = running.side, running.runtime.cluster
    await running.settle(lambda: cluster.pods(side.namespace, "guard"))
    before = running.requests()
    resources: list[Any] = [found for kind in (AgentDeployment, TopicContract, Policy) for found in cluster.list(kind)]
    assert len(resources) == 4
    for resource in resources:
        running.controller.changed(key_of(resource))
    await running.settle()
    asked = running.requests() - before
    # The two Secrets of an agent are read by name, as they are never watched, and only once a look at them is too old.
    assert asked == Counter({("get", "secrets"): asked["get", "secrets"]})


async def test_one_agent_takes_a_request_for_each_object_it_needs(running: Running) -> None:
    side, cluster = running.side, running.runtime.cluster
    await running.settle(lambda: cluster.pods(side.namespace, "guard"))
    asked = running.requests()
    for resource in (
        "serviceaccounts",
        "networkpolicies.networking.k8s.io",
        "poddisruptionbudgets.policy",
        "deployments.apps",
    ):
        assert (asked["get", resource], asked["patch", resource]) == (0, 1)
    # One look for what people order of the inventory.
    assert (asked["get", "configmaps"], asked["patch", "configmaps"]) == (1, 2)
    assert asked["patch", "secrets"] == 2
    found = await side.read(type_of_kind(AgentDeployment), "guard")
    assert conditions(found)["AccessReady"] == ("True", "OK")
