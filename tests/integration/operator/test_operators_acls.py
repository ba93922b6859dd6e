"""The operator is no super user: the rights on the page "Sharing a Kafka" are enough, whatever its user is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.models import AgentDeployment, TopicContract
from streamwarden_contract.models.scaling import Scaling
from streamwarden_operator.desired.acls import acls_of
from streamwarden_operator.ports import Acl, AclPlan, TopicPlan
from support.controller_world import world
from support.kafka_adapters import real_ports
from support.operator_harness import conditions_of, contract, until
from support.operators_rights import rights_on_the_page

if TYPE_CHECKING:
    from streamwarden_contract.models.base import Kind
    from support.controller_world import World
    from support.kafka_adapters import KafkaPorts
    from support.stack_fixture import RunningStack

pytestmark = pytest.mark.usefixtures("sole_operator")


def deleted(resource: Kind) -> Kind:
    """Return a resource as it is once a user has deleted it."""
    metadata = resource.metadata.model_copy(update={"deletion_timestamp": "2026-01-01T00:00:00Z"})
    return resource.model_copy(update={"metadata": metadata})


def outside(namespace: str, partitions: int = 3, generation: int = 1) -> TopicContract:
    """A contract that somebody else writes, and whose topic goes with it."""
    spec = {"key": "None", "access": {"producers": ["User:web"]}, "config": {"retention.ms": 60_000}}
    made = contract("clicks", namespace, **{**spec, "deletionPolicy": "Delete", "partitions": partitions})
    return made.model_copy(update={"metadata": made.metadata.model_copy(update={"generation": generation})})


async def a_contract_is_kept(made: World, ports: KafkaPorts) -> None:
    """Make a topic with rights for somebody else, grow it, put its drift back, and delete it."""
    name = f"{made.namespace}.clicks"
    made.put(outside(made.namespace))
    await made.settled("clicks")
    assert Acl("User:web", "TOPIC", name, "WRITE") in await ports.acls.observe()

    await ports.topics.apply(name, TopicPlan(set_config={"retention.ms": "1000"}))
    stored = made.cluster.get(TopicContract, made.namespace, "clicks")
    assert stored is not None
    made.put(stored.model_copy(update={"spec": outside(made.namespace, partitions=4).spec}))
    await made.settled("clicks")
    topic = (await ports.topics.observe([name]))[name]
    assert (topic.partitions, topic.config["retention.ms"]) == (4, "60000")

    stored = made.cluster.get(TopicContract, made.namespace, "clicks")
    assert stored is not None
    made.put(deleted(stored))
    await until(lambda: made.cluster.get(TopicContract, made.namespace, "clicks") is None)
    assert await ports.topics.observe([name]) == {}
    assert Acl("User:web", "TOPIC", name, "WRITE") not in await ports.acls.observe()


async def an_agent_is_kept(made: World) -> None:
    """Hear of a gate and forget it, read lag, and keep the groups of an agent at zero."""
    made.say("pod-0")
    await until(lambda: conditions_of(made.status)["GateReady"] == ("True", "OK"))
    spec = made.status.spec.model_copy(update={"scaling": Scaling(polling_interval=1, cooldown_period=0)})
    made.put(made.status.model_copy(update={"spec": spec}))
    await until(lambda: conditions_of(made.status)["Ready"] == ("True", "ScaledToZero"))
    await made.backends.offsets.keep(made.names.gate_group, [made.names.decisions])
    await made.backends.acks.forget(made.namespace, "guard", ["pod-0"])


async def test_x90_a_loop_stands_changes_and_goes_by_the_rights_on_the_page_alone(
    stack: RunningStack, unique: str
) -> None:
    user, ports = f"ops-{unique}", real_ports(stack)
    given = rights_on_the_page(f"i-{unique}", unique, principal=f"User:{user}")
    await ports.users.upsert(user, "a password of its own")
    await ports.acls.apply(AclPlan(add=given))
    operator = stack.operator.as_user(user, "a password of its own")
    try:
        async with world(stack, unique, operator, principal=f"User:{user}") as made:
            await a_contract_is_kept(made, ports)
            await an_agent_is_kept(made)
            made.put(deleted(made.status))
            await until(lambda: made.cluster.get(AgentDeployment, unique, "guard") is None)
            names = made.names
            observed = await ports.acls.observe()
            assert acls_of(observed, names.agent_principal, names.gate_principal) == frozenset()
            assert not {names.agent_principal, names.gate_principal} & (await ports.users.observe()).keys()
            await until(lambda: made.controller.idle)
            assert made.controller.failing == frozenset()
    finally:
        await ports.acls.apply(AclPlan(remove=acls_of(await ports.acls.observe(), user)))
        await ports.users.delete(user)
