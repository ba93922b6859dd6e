"""Each right of the operator in Kafka on its own: without it people are told, and once it is given all stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.models import AgentDeployment, TopicContract
from streamwarden_operator.desired.acls import acls_of
from streamwarden_operator.ports import Acl, AclPlan, TopicPlan
from support.controller_world import World
from support.kafka_adapters import real_ports
from support.operator_harness import conditions_of, contract, until, whole_namespace
from support.operators_rights import rights_on_the_page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.kafka_adapters import KafkaPorts
    from support.stack_fixture import RunningStack

pytestmark = [pytest.mark.usefixtures("sole_operator"), pytest.mark.chaos]
WAIT_S = 120.0
RIGHTS = sorted(rights_on_the_page("here", "risk", principal="User:ops"))
SILENT = {("TOPIC", "here.", "READ")}
"""Without it everything stands until the next start: what it says on these topics the operator knows."""


def name_of(right: Acl) -> str:
    return f"{right.operation} on {right.resource_type} {right.resource_name}".lower().replace(" ", "-")


def told(made: World) -> list[str]:
    """Return what people are told of a right that is missing: by a condition, or an Event of what no resource shows."""
    parts = [part for resource in made.cluster.resources.values() for part in resource.status.conditions]
    found = [(part.reason, part.message) for part in parts]
    found += [(event.reason, event.message) for event in made.cluster.events if event.key.kind == "Namespace"]
    return [said for reason, said in found if reason == "KafkaAuthorizationFailed" or "lists what it needs" in said]


def clicks(made: World, **spec: object) -> TopicContract:
    """Return a contract of others', whose topic goes with it."""
    wanted = {"key": "None", "config": {"retention.ms": 60_000}, "deletionPolicy": "Delete", **spec}
    found, known = (
        contract("clicks", made.namespace, **wanted),
        made.cluster.get(TopicContract, made.namespace, "clicks"),
    )
    if known is None:
        return found
    generation = known.metadata.generation + 1
    return known.model_copy(
        update={"spec": found.spec, "metadata": known.metadata.model_copy(update={"generation": generation})}
    )


def deleted(resource: AgentDeployment | TopicContract) -> AgentDeployment | TopicContract:
    metadata = resource.metadata.model_copy(update={"deletion_timestamp": "2026-01-01T00:00:00Z"})
    return resource.model_copy(update={"metadata": metadata})


async def use_all(made: World, ports: KafkaPorts, wait: Callable[[Callable[[], object]], Awaitable[bool]]) -> bool:
    """Do what needs each right, step by step, as long as nobody is told; say whether all was done."""
    if not await wait(lambda: made.cluster.workloads):
        return False
    made.put(clicks(made))
    if not await wait(lambda: is_ready(made, "clicks")):
        return False
    await ports.topics.apply(f"{made.namespace}.clicks", TopicPlan(set_config={"retention.ms": "1000"}))
    made.put(clicks(made, partitions=4))
    if not await wait(lambda: is_ready(made, "clicks") and made.controller.idle):
        return False
    found = made.cluster.get(TopicContract, made.namespace, "clicks")
    assert found is not None
    made.put(deleted(found))
    return await wait(lambda: made.cluster.get(TopicContract, made.namespace, "clicks") is None)


async def use_the_rest(made: World) -> None:
    """Take the contract away, which goes on by itself where that had begun."""
    found = made.cluster.get(TopicContract, made.namespace, "clicks")
    if found is not None and found.metadata.deletion_timestamp is None:
        await until(lambda: is_ready(made, "clicks"), WAIT_S)
        made.put(deleted(made.cluster.get(TopicContract, made.namespace, "clicks") or found))
    await until(lambda: made.cluster.get(TopicContract, made.namespace, "clicks") is None, WAIT_S)


def is_ready(made: World, name: str) -> bool:
    found = made.cluster.get(TopicContract, made.namespace, name)
    if found is None:
        return False
    ready = next((part for part in found.status.conditions if part.type == "Ready"), None)
    return ready is not None and ready.status == "True" and ready.observed_generation == found.metadata.generation


@pytest.mark.parametrize("right", [pytest.param(right, id=name_of(right)) for right in RIGHTS])
async def test_x99_without_one_right_people_are_told_and_once_it_is_given_all_stands(
    stack: RunningStack, unique: str, right: Acl
) -> None:
    """Chaos, as a round for each right of the page takes minutes."""
    user, ports = f"ops-{unique}", real_ports(stack)
    given = rights_on_the_page(f"i-{unique}", unique, principal=f"User:{user}")
    name = right.resource_name.replace("here.", f"i-{unique}.").replace("risk.", f"{unique}.", 1)
    lacking = Acl(f"User:{user}", right.resource_type, name, right.operation, right.pattern_type)
    assert lacking in given
    await ports.users.upsert(user, "a password of its own")
    await ports.acls.apply(AclPlan(add=given - {lacking}))
    made = World(stack, unique, stack.operator.as_user(user, "a password of its own"), principal=f"User:{user}")
    made.put(*whole_namespace(unique))
    await made.controller.start()
    try:

        async def all_or_told(holds: Callable[[], object]) -> bool:
            await until(lambda: told(made) or holds(), WAIT_S)
            return not told(made)

        was_silent = await use_all(made, ports, all_or_told)
        assert was_silent is ((right.resource_type, right.resource_name, right.operation) in SILENT)
        await ports.acls.apply(AclPlan(add=frozenset({lacking})))
        await until(lambda: made.cluster.workloads, WAIT_S)
        if not was_silent:
            await use_the_rest(made)
        await until(lambda: made.controller.idle, WAIT_S)
        made.say("pod-0")
        await until(lambda: conditions_of(made.status)["GateReady"] == ("True", "OK"), WAIT_S)
    finally:
        await made.controller.stop()
        await ports.acls.apply(AclPlan(remove=acls_of(await ports.acls.observe(), user)))
        await ports.users.delete(user)
