"""X88: who may write a contract's status commands nothing with it: it is a record, and can be untrue."""

from __future__ import annotations

import pytest
from streamwarden_contract.models.topic_contract import RegisteredSchema, TopicContractStatus
from streamwarden_operator.desired.acls import format_acl
from streamwarden_operator.ports import Acl, SubjectSchema
from support.contract_world import ACCESS, SCHEMA, World
from support.manifests import contract

GIVEN = Acl("User:web", "TOPIC", "risk.urls", "WRITE")


def say(world: World, status: TopicContractStatus) -> None:
    """Write a status as somebody does who may patch that alone."""
    world.cluster.put(world.contract().model_copy(update={"status": status}))


STRANGE = [
    pytest.param(Acl("User:payments", "TOPIC", "pay.orders", "WRITE"), id="another-topic-s"),
    pytest.param(Acl("User:web", "TOPIC", "risk.", "WRITE", "PREFIXED"), id="a-prefix-that-covers-the-topic"),
    pytest.param(Acl("User:web", "TOPIC", "risk.urls", "ALL"), id="more-than-a-contract-gives"),
    pytest.param(Acl("User:web", "TOPIC", "risk.urls", "WRITE", denied=True), id="a-deny"),
    pytest.param(Acl("User:web", "TOPIC", "risk.urls", "WRITE", host="10.0.0.1"), id="from-one-host"),
    pytest.param(Acl("User:risk.guard.gate", "TOPIC", "risk.urls", "WRITE"), id="a-gate-s"),
    pytest.param(Acl("User:streamwarden.operator", "TOPIC", "risk.urls", "READ"), id="the-operator-s"),
    pytest.param(Acl("User:*", "TOPIC", "risk.urls", "READ"), id="everybody-s"),
    pytest.param(Acl("User:bi", "GROUP", "streamwarden.ext.web.", "READ", "PREFIXED"), id="another-user-s-groups"),
    pytest.param(Acl("User:admin", "CLUSTER", "kafka-cluster", "ALTER"), id="an-administrator-s"),
]


@pytest.mark.parametrize("acl", STRANGE)
async def test_x88_what_a_contract_cannot_have_given_is_not_taken_back(world: World, acl: Acl) -> None:
    world.cluster.put(contract(access=ACCESS))
    await world.reconcile()
    given = frozenset(world.acls.acls)
    world.acls.acls.add(acl)
    status = world.contract().status
    say(world, status.model_copy(update={"access": (*status.access, format_acl(acl))}))

    await world.reconcile()
    assert world.acls.acls == given | {acl}
    assert format_acl(acl) not in world.contract().status.access

    say(world, status.model_copy(update={"access": (*status.access, format_acl(acl))}))
    world.delete()
    await world.reconcile()
    assert world.acls.acls == {acl}


async def test_x88_what_a_contract_can_have_given_is_taken_back(world: World) -> None:
    world.cluster.put(contract())
    await world.reconcile()
    world.acls.acls.add(GIVEN)
    say(world, world.contract().status.model_copy(update={"access": (format_acl(GIVEN),)}))
    await world.reconcile()
    assert world.acls.acls == set()


async def test_x88_the_subject_that_a_status_names_is_not_deleted_in_place_of_the_contracts_own(world: World) -> None:
    world.cluster.put(contract(schema=SCHEMA, deletionPolicy="Delete"))
    await world.reconcile()
    assert world.registry is not None
    world.registry.versions["pay.orders-value"] = [SubjectSchema("pay.orders-value", 9, 1, "{}", None)]
    status = world.contract().status
    say(
        world,
        status.model_copy(update={"registered_schema": RegisteredSchema(id=9, version=1, subject="pay.orders-value")}),
    )
    world.delete()
    await world.reconcile()
    assert set(world.registry.versions) == {"pay.orders-value"}


async def test_x88_an_unreadable_contract_keeps_no_access_alive_that_it_cannot_have_given(world: World) -> None:
    world.cluster.put(contract(access=ACCESS))
    await world.reconcile()
    other = contract(name="other")
    recorded = TopicContractStatus(access=(format_acl(GIVEN),))
    world.cluster.make_unreadable(other.model_copy(update={"status": recorded}))
    world.edit(access={})
    await world.reconcile()
    assert GIVEN not in world.acls.acls
